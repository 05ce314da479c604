//! What the Go half says at the end of a junction, and gives back.

use std::io;
use std::os::fd::OwnedFd;

use bytes::Buf;

use super::sys;

/// How long it is, in bytes.
pub(super) const WORDS: usize = 28;

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
    pub ended: [Option<Ended>; 2],
    /// Bytes that came from the tailnet.
    pub incoming: u64,
    /// Bytes that went there.
    pub outgoing: u64,
}

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// From the tailnet to the socket.
    Incoming,
    /// From the socket to the tailnet.
    Outgoing,
}

impl Parted {
    /// With the words at a junction's end, as the header has them; `None` when the socket
    /// is missing.
    pub(super) fn new(mut words: &[u8], socket: Option<OwnedFd>) -> Option<Self> {
        let [reading, writing, ends] = [(); 3].map(|()| words.get_u32());
        let [incoming_bytes, outgoing_bytes] = [(); 2].map(|()| words.get_u64());
        let kind = |errno: u32| match i32::try_from(errno) {
            Ok(0) | Err(_) => None,
            Ok(errno) => Some(io::Error::from_raw_os_error(errno).kind()),
        };
        let incoming = (ends & sys::ENDED_INCOMING != 0).then_some(Ended::Incoming);
        let outgoing = (ends & sys::ENDED_OUTGOING != 0).then_some(Ended::Outgoing);
        let mut ended = [incoming, outgoing];
        if ends & sys::ENDED_OUTGOING_FIRST != 0 {
            ended.reverse();
        }
        let over = incoming.is_some() && outgoing.is_some();
        (over || socket.is_some()).then(|| Self {
            socket,
            reading: kind(reading),
            writing: kind(writing),
            ended,
            incoming: incoming_bytes,
            outgoing: outgoing_bytes,
        })
    }
}
