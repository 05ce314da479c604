//! What a connection is known by, and how far it can be.

use std::fmt;

use serde::Deserialize;

/// A connection's number, used once in the life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(transparent)]
pub struct ConnectionId(pub(super) u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How far a direction of a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Bytes may still flow.
    Open,
    /// It ended with a FIN after all its bytes.
    Clean,
    /// The peer reset the connection, or this side aborted it.
    Reset,
    /// The peer stopped answering.
    TimedOut,
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The direction from the tailnet.
    pub incoming: Direction,
    /// The direction to the tailnet.
    pub outgoing: Direction,
    /// Bytes written that the peer's TCP has not acknowledged, wherever they
    /// are; zero once nothing more can be delivered.
    pub unacknowledged: u64,
    /// Bytes that came from the tailnet and went through a lent socket.
    pub joined_incoming: u64,
    /// Bytes that went to the tailnet and came through a lent socket.
    pub joined_outgoing: u64,
    /// Bytes that a lent socket has taken and its other end has not acknowledged.
    pub joined_unacknowledged: u64,
}
