//! What the loads have in common: the target, sockets, random sizes, and a request
//! with its answer.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use fastrand::Rng;
use socket2::SockRef;

use crate::support::socket;

/// How long a load runs before it is measured.
pub(super) const WARM_UP: Duration = Duration::from_millis(300);

/// How many bytes a request has.
const REQUEST: std::ops::RangeInclusive<usize> = 64..=1024;
/// How many its answer has.
const ANSWER: std::ops::RangeInclusive<usize> = 64..=8192;
/// A request begins with its own length and that of its answer.
const HEADER: usize = 8;

/// Where the contestants lead.
pub(super) struct Target(TcpListener);

impl Target {
    /// Listens on a port of its own.
    pub(super) fn listen() -> Self {
        Self(socket::listen())
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        socket::address(&self.0)
    }

    /// Accepts a connection that is on its way.
    pub(super) fn accept(&self) -> TcpStream {
        prompt(socket::accept(&self.0))
    }

    /// Serves whoever comes until [`Target::end`]: one request a connection, then the
    /// close. Several may do so at once.
    pub(super) fn serve(&self) {
        while let Ok((mut stream, _)) = self.0.accept() {
            // Who fails tells the client, who counts it.
            let _ = answer(&mut stream);
        }
    }

    /// Lets [`Target::serve`] wait for connections.
    pub(super) fn begin(&self) {
        self.0.set_nonblocking(false).expect("setting a flag");
    }

    /// Ends [`Target::serve`], for good.
    pub(super) fn end(&self) {
        let listener = SockRef::from(&self.0);
        let ended = listener.shutdown(std::net::Shutdown::Both);
        ended.expect("shutting a listener down");
    }
}

/// Connects to a contestant.
pub(super) fn connect(address: SocketAddr) -> TcpStream {
    prompt(socket::connect(address))
}

fn prompt(stream: TcpStream) -> TcpStream {
    stream.set_nodelay(true).expect("setting a socket option");
    stream
}

/// The same sizes again for the same round and part of a load.
pub(super) fn random(seed: u64, part: u32) -> Rng {
    Rng::with_seed(seed << 32 | u64::from(part))
}

/// Sends a request of random size and returns how long its answer is to be.
pub(super) fn request(
    stream: &mut TcpStream,
    random: &mut Rng,
    filler: &mut [u8],
) -> io::Result<usize> {
    let (length, wanted) = (random.usize(REQUEST), random.usize(ANSWER));
    filler[..4].copy_from_slice(&(length as u32).to_le_bytes());
    filler[4..HEADER].copy_from_slice(&(wanted as u32).to_le_bytes());
    stream.write_all(&filler[..length])?;
    Ok(wanted)
}

/// Room for a request or for an answer.
pub(super) fn room() -> Vec<u8> {
    vec![0; *ANSWER.end()]
}

/// Answers one request; false at the end of stream.
pub(super) fn answer(stream: &mut TcpStream) -> io::Result<bool> {
    let mut room = [0; *ANSWER.end()];
    let mut got = 0;
    let mut length = HEADER;
    while got < length {
        match stream.read(&mut room[got..])? {
            0 if got == 0 => return Ok(false),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => got += read,
        }
        if got >= HEADER {
            length = number(&room[..4]);
        }
    }
    let wanted = number(&room[4..HEADER]);
    stream.write_all(&room[..wanted])?;
    Ok(true)
}

fn number(bytes: &[u8]) -> usize {
    let bytes = bytes.try_into().expect("four bytes");
    u32::from_le_bytes(bytes) as usize
}
