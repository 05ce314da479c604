//! The tailnet, as safe and owned types over the Go half.
//!
//! # The contract
//!
//! Who owns what. [`Node`] owns the node's handle, [`Stream`] and [`Incoming`] own
//! a connection's id, [`Flow`] and [`IncomingFlow`] a flow's, every other type owns a mailbox; no two values own the same
//! thing, and descriptors never leave this module. A [`Dialer`] and [`Questions`] own
//! nothing.
//!
//! What may run at once. Everything: each call may be made from any thread, and
//! the Go half checks every handle and id, so that one that is over is an error
//! and never someone else's. [`init`] alone comes first, once, before there are
//! other threads.
//!
//! Where one goes on. What the Go half says is read from a mailbox, by the runtime. Three
//! things are said by hand to who waits for them, in a thread of the Go half: that a
//! connection has come, to [`Listener::accept`], what became of a dial, to [`Dialer::dial`],
//! and that a junction has come to both of its ends, to [`Stream::poll_parted`]. A task of
//! [`crate::turn`] goes on there, any other one is woken.
//!
//! What drop does. Dropping a mailbox cancels what it stands for: [`Starting`] the
//! reports (not the node), [`Listener`] and [`FlowListener`] the port, a question under
//! way that, [`Events`] and [`Logs`] the stream. A dial under way, which has none, is
//! cancelled likewise. What was announced and nobody has claimed is reset. Dropping an [`Incoming`] resets it. Dropping a [`Stream`] resets
//! it unless both its directions have ended. Dropping an [`IncomingFlow`] or a
//! [`Flow`] ends it. Dropping a [`Node`] closes it without waiting. No drop blocks.
//!
//! Values that hold a descriptor are made inside a tokio runtime with I/O enabled;
//! elsewhere making them panics.

mod certificate;
mod connection;
mod counts;
mod dialer;
mod door;
mod environment;
mod error;
mod events;
mod flow;
mod flow_listener;
mod hand;
mod listener;
mod mailbox;
mod message;
mod node;
mod options;
mod parted;
mod partings;
mod peer;
mod protocol;
mod questions;
mod stream;
mod sys;

pub use certificate::Certificate;
pub use connection::{ConnectionId, Direction, End};
pub use counts::Counts;
pub use dialer::Dialer;
pub use environment::{Environment, init};
pub use error::{Error, ErrorKind};
pub use events::{Event, Events, Logs, logs};
pub use flow::{DATAGRAM_MAX, Flow};
pub use flow_listener::{FlowListener, IncomingFlow};
pub use listener::{Incoming, Listener};
pub use message::{Closed, Flushed, LogLine, NodeInfo, Warning};
pub use node::{Node, StartEvent, Starting};
pub use options::NodeOptions;
pub use parted::{Ended, Parted};
pub use peer::{Own, Peer, PeerPath, Pong, Status, WhoIs};
pub use protocol::ProtocolError;
pub use questions::Questions;
pub use stream::Stream;
pub use sys::{inherited, unacknowledged, use_alternate_stack};

/// Counts what is alive in the Go half, for tests and diagnosis.
///
/// # Errors
///
/// [`Error::Call`] when the Go half cannot answer.
pub fn count() -> Result<Counts, Error> {
    sys::count().map_err(Error::call("counting what is alive"))
}
