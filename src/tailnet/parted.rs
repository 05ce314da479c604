//! A junction that has parted, and what it leaves.

use std::io;
use std::os::fd::OwnedFd;

use serde::Deserialize;

use super::message::Parting;
use super::sys;

/// A lent socket at the end of its junction, and what its kernel told there: it tells a
/// break once.
#[derive(Debug)]
pub struct Parted {
    /// The socket, unless it has come to both of its ends: it is closed then.
    pub socket: Option<OwnedFd>,
    /// What who read it was told.
    pub reading: Option<io::ErrorKind>,
    /// What who wrote it was told.
    pub writing: Option<io::ErrorKind>,
    /// The clean ends that were passed on, in their order: a direction that came to one
    /// is over.
    pub ended: Vec<Ended>,
    /// Bytes that came from the tailnet.
    pub incoming: u64,
    /// Bytes that went there.
    pub outgoing: u64,
}

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// From the tailnet to the socket.
    Incoming,
    /// From the socket to the tailnet.
    Outgoing,
}

impl Parted {
    /// Takes what a junction leaves.
    ///
    /// # Errors
    ///
    /// When the process has no descriptor left for the socket, or the connection has been
    /// aborted.
    pub(super) fn take(parting: Parting) -> io::Result<Self> {
        let socket = if parting.is_over() {
            None
        } else {
            Some(sys::take_back(parting.id)?)
        };
        let kind = |errno| (errno != 0).then(|| io::Error::from_raw_os_error(errno).kind());
        Ok(Self {
            socket,
            reading: kind(parting.reading),
            writing: kind(parting.writing),
            ended: parting.ended,
            incoming: parting.incoming,
            outgoing: parting.outgoing,
        })
    }
}
