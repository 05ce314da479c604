//! Load over the tailnet or on loopback, and what serves it: both in stock peers, told
//! by lines what to do. The connection that a request came by ends what it began.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::way::Way;
use crate::support::peer::Peer;

/// Seconds for thousands of connections to be made.
const OPENING: f64 = 240.0;

/// How long an answer may take besides its load.
const PATIENCE: Duration = Duration::from_secs(60);

/// What exchanges took, in seconds.
#[derive(Debug, Deserialize)]
pub(crate) struct Exchanged {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
}

/// What became of connections for one request each.
#[derive(Debug, Deserialize)]
pub(crate) struct Requested {
    pub(crate) done: f64,
    pub(crate) failed: f64,
    pub(crate) seconds: f64,
    pub(crate) first_failure: Option<String>,
}

/// What became of connections that were to be held.
#[derive(Debug, Deserialize)]
pub(crate) struct Held {
    pub(crate) handshakes: u32,
    pub(crate) first_failure: Option<String>,
}

/// How a server or streams are doing.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Count {
    /// Bytes so far.
    pub(crate) received: u64,
    /// Connections now.
    pub(crate) open: u32,
}

/// A request that a peer is at.
pub(crate) struct Work(BufReader<TcpStream>);

impl Work {
    /// Serves on a port of the peer, or on an address of loopback.
    pub(crate) fn serve(peer: &Peer, at: &str) -> Result<Self, String> {
        Self::begin(peer, &format!("SERVE {at}"))
    }

    /// Streams that run until this is dropped.
    pub(crate) fn bulk(
        peer: &Peer,
        to: SocketAddr,
        streams: u32,
        way: Way,
    ) -> Result<Self, String> {
        let way = match way {
            Way::ToTarget => "there",
            Way::ToClient => "back",
        };
        Self::begin(peer, &format!("BULK {to} {streams} {way}"))
    }

    /// Requests and answers for a time on connections that stay.
    pub(crate) fn exchange(
        peer: &Peer,
        to: SocketAddr,
        connections: u32,
        seconds: f64,
    ) -> Result<Exchanged, String> {
        Self::begin(peer, &format!("EXCHANGE {to} {connections} {seconds}"))?.answer(seconds)
    }

    /// Connections for one request each, so many at a time, for a time.
    pub(crate) fn requests(
        peer: &Peer,
        to: SocketAddr,
        workers: u32,
        seconds: f64,
    ) -> Result<Requested, String> {
        Self::begin(peer, &format!("REQUESTS {to} {workers} {seconds}"))?.answer(seconds)
    }

    /// Opens connections that stay until this is dropped.
    pub(crate) fn hold(
        peer: &Peer,
        to: SocketAddr,
        connections: u32,
    ) -> Result<(Self, Held), String> {
        let mut work = Self::begin(peer, &format!("HOLD {to} {connections} 64"))?;
        let held = work.answer(OPENING)?;
        Ok((work, held))
    }

    /// How a server or streams are doing.
    pub(crate) fn count(&mut self) -> Result<Count, String> {
        self.tell("COUNT")
    }

    /// Closes all connections of a server.
    pub(crate) fn end_all(&mut self) -> Result<(), String> {
        self.tell("END").map(drop)
    }

    fn tell(&mut self, line: &str) -> Result<Count, String> {
        writeln!(self.0.get_mut(), "{line}").map_err(|error| error.to_string())?;
        self.answer(0.0)
    }

    fn begin(peer: &Peer, request: &str) -> Result<Self, String> {
        Ok(Self(BufReader::new(peer.ask(request)?)))
    }

    fn answer<T: DeserializeOwned>(&mut self, seconds: f64) -> Result<T, String> {
        let deadline = PATIENCE + Duration::from_secs_f64(seconds);
        let stream = self.0.get_ref();
        stream
            .set_read_timeout(Some(deadline))
            .map_err(|error| error.to_string())?;
        let mut line = String::new();
        self.0
            .read_line(&mut line)
            .map_err(|error| format!("no answer within {deadline:?}: {error}"))?;
        serde_json::from_str(&line).map_err(|error| format!("{}: {error}", line.trim_end()))
    }
}
