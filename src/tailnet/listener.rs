//! Accepting connections from the tailnet.

use std::ffi::{CStr, CString};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use super::connection::ConnectionId;
use super::door::Door;
use super::error::{Error, ErrorKind};
use super::hand::Hand;
use super::mailbox::Mailbox;
use super::message::{Announced, Listen};
use super::partings::Partings;
use super::protocol::ProtocolError;
use super::stream::Stream;
use super::sys::{self, NodeHandle};

/// A port of the node, or of a service that it hosts, that peers can reach.
///
/// Dropping it closes the port and resets every connection it has announced and
/// nobody has claimed, also those already accepted as [`Incoming`].
#[derive(Debug)]
pub struct Listener {
    mailbox: Mailbox<Listen>,
    door: Arc<Door>,
    // Who waits at the door is given what comes.
    _hand: Hand,
    partings: Partings,
    address: String,
}

impl Listener {
    /// Opens a port; see [`super::Node::listen`] and [`super::Node::listen_service`].
    pub(super) async fn open(
        node: NodeHandle,
        partings: &Partings,
        network: &CStr,
        address: String,
    ) -> Result<Self, Error> {
        let failed = || Error::call("listening on the tailnet");
        let address = CString::new(address).map_err(|error| failed()(error.into()))?;
        let door = Arc::new(Door::default());
        let hand = Hand::new(Arc::clone(&door) as _);
        let fd = sys::listen(node, network, &address, &hand).map_err(failed())?;
        let mut mailbox = Mailbox::new(fd).map_err(failed())?;
        match mailbox.answer().await? {
            Listen::Listening { address } => Ok(Self {
                mailbox,
                door,
                _hand: hand,
                partings: partings.clone(),
                address,
            }),
            Listen::Error(failure) => Err(failure.into()),
            Listen::Accepted(_) => Err(out_of_turn("accepted")),
        }
    }

    /// Where it listens, as the Go half says it.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The next connection.
    ///
    /// # Errors
    ///
    /// Any error is final: the port is closed.
    ///
    /// # Cancel safety
    ///
    /// Safe: no connection is lost.
    pub async fn accept(&mut self) -> io::Result<Incoming> {
        let next = poll_fn(|cx| self.door.wait(cx, |cx| self.mailbox.poll_next(cx)));
        match next.await {
            Some(Ok(Listen::Accepted(announced))) => Ok(Incoming {
                announced,
                partings: self.partings.clone(),
                claimed: false,
            }),
            Some(Ok(Listen::Error(failure))) => Err(Error::from(failure).into()),
            Some(Ok(Listen::Listening { .. })) => Err(out_of_turn("listening").into()),
            Some(Err(error)) => Err(Error::from(error).into()),
            None => {
                let detail = format!("accepting on {}: the listener is closed", self.address);
                Err(Error::Answer {
                    kind: ErrorKind::Closed,
                    detail,
                }
                .into())
            }
        }
    }
}

/// The error for a message that may not come now.
fn out_of_turn(kind: &'static str) -> Error {
    let mailbox = "listen";
    ProtocolError::OutOfTurn { mailbox, kind }.into()
}

/// A connection from a peer that nobody has taken yet: its handshake is over,
/// and it has no descriptor. Dropping it resets the connection.
#[derive(Debug)]
pub struct Incoming {
    announced: Announced,
    partings: Partings,
    claimed: bool,
}

impl Incoming {
    /// The connection's number, for logs.
    pub fn id(&self) -> ConnectionId {
        self.announced.id
    }

    /// The peer's address and port.
    pub fn remote(&self) -> SocketAddr {
        self.announced.remote
    }

    /// The address and port of this node that it reached.
    pub fn local(&self) -> SocketAddr {
        self.announced.local
    }

    /// Takes the connection: a plain call that never waits; needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// `EBADF` when the connection has ended or the listener has been dropped. The
    /// connection is reset then.
    pub fn claim(self) -> io::Result<Stream> {
        let partings = self.partings.clone();
        self.claim_as(|announced| Stream::claim(announced, &partings))
    }

    /// Takes it as what it is.
    pub(super) fn claim_as<T>(
        mut self,
        claim: impl FnOnce(&Announced) -> io::Result<T>,
    ) -> io::Result<T> {
        let claimed = claim(&self.announced)?;
        self.claimed = true;
        Ok(claimed)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.claimed {
            // EBADF says that it is over already.
            let _ = sys::abort(self.announced.id);
        }
    }
}
