//! Many connections, made by a stock peer inside its own process: over the tailnet,
//! or to an address of loopback from this machine.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde::Deserialize;

use crate::support::peer::Peer;

/// How connections ended, as the peer saw it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Outcome {
    /// Handshakes that were completed.
    pub(crate) handshakes: u64,
    /// Connections that got their byte back, and a clean end if they ended.
    pub(crate) echoed: u64,
    /// Connections that were reset.
    pub(crate) reset: u64,
    /// Connections that ended in another way.
    pub(crate) failed: u64,
    /// Why the first of them did.
    pub(crate) first_failure: Option<String>,
    /// How long it took.
    pub(crate) seconds: f64,
}

impl Outcome {
    /// Both of them in one.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            handshakes: self.handshakes + other.handshakes,
            echoed: self.echoed + other.echoed,
            reset: self.reset + other.reset,
            failed: self.failed + other.failed,
            first_failure: self.first_failure.or(other.first_failure),
            seconds: self.seconds + other.seconds,
        }
    }
}

/// A load that runs in a peer; dropped, its connections close.
pub(crate) struct Load(BufReader<TcpStream>);

impl Load {
    /// Opens `count` connections, `workers` at a time, and keeps them.
    pub(crate) fn hold(peer: &Peer, to: SocketAddr, count: usize, workers: usize) -> Self {
        Self::start(peer, &format!("HOLD {to} {count} {workers}"))
    }

    /// Makes `count` connections, `workers` at a time; each echoes a byte and ends.
    pub(crate) fn churn(peer: &Peer, to: SocketAddr, count: usize, workers: usize) -> Self {
        Self::start(peer, &format!("CHURN {to} {count} {workers}"))
    }

    /// The same for a time, as many as can be.
    pub(crate) fn storm(peer: &Peer, to: SocketAddr, length: Duration, workers: usize) -> Self {
        let seconds = length.as_secs();
        Self::start(peer, &format!("STORM {to} {seconds} {workers}"))
    }

    /// Has every held connection echo a byte.
    #[track_caller]
    pub(crate) fn echo(&mut self, deadline: Duration) -> Outcome {
        writeln!(self.0.get_mut(), "ECHO").expect("asking the peer");
        self.outcome(deadline)
    }

    /// Waits for what the peer has to tell.
    #[track_caller]
    pub(crate) fn outcome(&mut self, deadline: Duration) -> Outcome {
        let stream = self.0.get_ref();
        stream
            .set_read_timeout(Some(deadline))
            .expect("setting a timeout");
        let mut line = String::new();
        self.0.read_line(&mut line).expect("the peer tells");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
    }

    #[track_caller]
    fn start(peer: &Peer, request: &str) -> Self {
        Self(BufReader::new(peer.ask(request).expect("the peer agrees")))
    }
}
