//! Who is let in: asked once for each connection, after its slot and before its
//! dial.

use std::{any::Any, fmt, future::Future, sync::Arc};

use thiserror::Error;

use super::{origin::Identity, peer::Peer};

/// Decides who is let in.
pub trait Gate: Send + Sync + 'static {
    /// Lets a peer in, and says who it is as far as the gate knows. The forward
    /// gives it the time that a dial may take; an answer that comes later is a
    /// denial.
    ///
    /// # Errors
    /// Why it is not let in.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    fn admit(&self, peer: &Peer) -> impl Future<Output = Result<Admission, Denied>> + Send;
}

/// The gate of a forward that has none: it asks nothing and lets everyone in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Open;

impl Gate for Open {
    async fn admit(&self, _: &Peer) -> Result<Admission, Denied> {
        Ok(Admission::default())
    }
}

/// No gate is an open one.
impl<G: Gate> Gate for Option<G> {
    async fn admit(&self, peer: &Peer) -> Result<Admission, Denied> {
        match self {
            Some(gate) => gate.admit(peer).await,
            None => Open.admit(peer).await,
        }
    }
}

/// A gate that several forwards share.
impl<G: Gate> Gate for Arc<G> {
    async fn admit(&self, peer: &Peer) -> Result<Admission, Denied> {
        G::admit(self, peer).await
    }
}

/// That a peer is let in. The connection keeps it to its end.
#[derive(Default)]
pub struct Admission {
    /// Who it is.
    pub identity: Identity,
    held: Vec<Box<dyn Any + Send + Sync>>,
}

impl Admission {
    /// The same, with something that is dropped when the connection has ended.
    #[must_use]
    pub fn holding(mut self, guard: impl Any + Send + Sync) -> Self {
        self.held.push(Box::new(guard));
        self
    }
}

impl From<Identity> for Admission {
    fn from(identity: Identity) -> Self {
        Self {
            identity,
            held: Vec::new(),
        }
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission")
            .field("identity", &self.identity)
            .field("held", &self.held.len())
            .finish()
    }
}

/// That a peer is not let in.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct Denied {
    /// Why, for the log. No secret.
    pub reason: String,
    /// Who it is, as far as that is known.
    pub identity: Identity,
}

impl Denied {
    /// A denial of a peer that nothing is known of.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            identity: Identity::default(),
        }
    }

    /// The same, of somebody.
    #[must_use]
    pub fn of(mut self, identity: Identity) -> Self {
        self.identity = identity;
        self
    }
}
