//! How a relayed connection ended: each direction's end, and one word for all.

use std::fmt;

use super::endpoint::End;
use crate::telemetry::metrics::Ended;

/// How one direction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectionEnd {
    /// All bytes were delivered, then the end of stream.
    Clean,
    /// Its source reset the connection; what had come before was delivered.
    Reset,
    /// Its source stopped answering; what had come before was delivered.
    TimedOut,
    /// Its destination took no more; what came after was discarded.
    WriteFailed,
    /// It was open when the other direction's break ended the connection.
    Cut,
    /// No byte moved in either direction for the idle time.
    Idle,
    /// The connection was ended from this side.
    Aborted,
}

impl DirectionEnd {
    /// Whether it ends the connection for both sides.
    pub(super) fn breaks(self) -> bool {
        matches!(self, Self::Reset | Self::TimedOut)
    }
}

impl From<End> for DirectionEnd {
    fn from(end: End) -> Self {
        match end {
            End::Clean => Self::Clean,
            End::Reset => Self::Reset,
            End::TimedOut => Self::TimedOut,
        }
    }
}

impl fmt::Display for DirectionEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clean => "clean",
            Self::Reset => "reset",
            Self::TimedOut => "timed out",
            Self::WriteFailed => "write failed",
            Self::Cut => "cut",
            Self::Idle => "idle",
            Self::Aborted => "aborted",
        })
    }
}

/// One of the two sides of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// The side that connected.
    Peer,
    /// The side that was dialed.
    Target,
}

impl Party {
    /// The side across.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Peer => Self::Target,
            Self::Target => Self::Peer,
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Peer => "peer",
            Self::Target => "target",
        })
    }
}

/// What became of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// Bytes written to the destination.
    pub bytes: u64,
    /// Bytes read and dropped after the destination had failed.
    pub discarded: u64,
    /// How it ended.
    pub end: DirectionEnd,
}

/// What became of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// From the peer to the target.
    pub to_target: Flow,
    /// From the target to the peer.
    pub to_peer: Flow,
    /// Who ended or broke first; `None` when this side ended the connection.
    pub first: Option<Party>,
    /// The datagrams that the bytes were in, if they were in any.
    pub datagrams: Option<Datagrams>,
}

/// What became of the datagrams of a connection that carried some.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Datagrams {
    /// Sent to targets.
    pub to_target: u64,
    /// Sent to the peer.
    pub to_peer: u64,
    /// Dropped, of both ways.
    pub dropped: u64,
}

impl Summary {
    /// The connection's end as one word: the gravest of its two directions'.
    pub fn ended(&self) -> Ended {
        let ends = [self.to_target.end, self.to_peer.end];
        let gravest = [
            (DirectionEnd::Aborted, Ended::Aborted),
            (DirectionEnd::Idle, Ended::Idle),
            (DirectionEnd::TimedOut, Ended::TimedOut),
            (DirectionEnd::Reset, Ended::Reset),
            (DirectionEnd::WriteFailed, Ended::WriteFailed),
            (DirectionEnd::Cut, Ended::Reset),
        ];
        gravest
            .into_iter()
            .find(|(end, _)| ends.contains(end))
            .map_or(Ended::Clean, |(_, ended)| ended)
    }
}
