//! What UDP forwarding asks of a network: where flows come from, where they go, and
//! one end of a flow. No I/O is done here.

use std::{fmt, future::Future, io, time::Duration};

use bytes::Bytes;

use super::super::{endpoint::DialError, peer::Peer};

/// Where flows come from.
pub trait FlowSource: Send + 'static {
    /// What arrives.
    type Incoming: FlowIncoming;

    /// Waits for the next flow. A source that sorts datagrams into flows does so
    /// here, also for the flows that are there already: it is called again and
    /// again as long as there are any.
    ///
    /// # Errors
    /// An error of kind [`io::ErrorKind::NotConnected`] says that this source will
    /// never give a flow again; after any other one the call may be repeated.
    ///
    /// # Cancel safety
    /// Cancel safe: a flow is either returned or left where it was.
    fn next(&mut self) -> impl Future<Output = io::Result<Self::Incoming>> + Send;
}

/// A flow that has arrived and that nobody has taken yet; its first datagram waits.
pub trait FlowIncoming: Send + 'static {
    /// What [`FlowIncoming::claim`] gives.
    type Link: Link;

    /// Whose it is.
    fn peer(&self) -> Peer;

    /// Takes the flow. Immediate.
    ///
    /// # Errors
    /// The reason it cannot be taken; it is gone then.
    fn claim(self) -> io::Result<Self::Link>;

    /// Forgets the flow and what has come of it. Immediate. UDP has no way to say
    /// so to the client.
    fn refuse(self);
}

/// Where flows go. Its `Display` is the target as configured.
pub trait FlowTarget: fmt::Display + Send + Sync + 'static {
    /// What a dial gives.
    type Link: Link;

    /// Makes the far end of a flow, the resolution of the name included, within
    /// `budget`.
    ///
    /// # Errors
    /// What failed.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    fn dial(&self, budget: Duration) -> impl Future<Output = Result<Self::Link, DialError>> + Send;
}

/// One end of a flow. Dropping it ends the flow.
pub trait Link: Send + 'static {
    /// The next datagram, whole; `None` when the other side has ended the flow.
    ///
    /// # Errors
    /// How the flow broke: it is over.
    ///
    /// # Cancel safety
    /// Cancel safe: no datagram is lost.
    fn recv(&mut self) -> impl Future<Output = io::Result<Option<Bytes>>> + Send;

    /// Sends a datagram, whole or not at all, without waiting for the other side.
    ///
    /// # Errors
    /// How the flow broke: it is over.
    ///
    /// # Cancel safety
    /// Cancel safe: it is sent or it is not.
    fn send(&mut self, datagram: &[u8]) -> impl Future<Output = io::Result<Sent>> + Send;

    /// Datagrams dropped so far on their way to [`Link::recv`], because nobody took
    /// them in time.
    fn dropped(&self) -> u64 {
        0
    }
}

/// What became of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// The network has it.
    Whole,
    /// It was too long, or there was no room for it.
    Dropped,
}
