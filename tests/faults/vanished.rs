//! A peer vanishes without a word: its connections are ended within about twice
//! TS_KEEPALIVE, idle ones and those with bytes in flight; nobody else's are.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::flow::{Flow, logged};
use crate::support::pair::Pair;
use crate::support::peer::Peer;
use crate::support::socket::{self, end_of, is_reset};
use crate::support::tailnet::Tailnet;
use crate::support::tailport::Tailport;

/// Twice TS_KEEPALIVE, which is 2 s here, and what looking for it, delivering what
/// had come and a loaded machine may add.
const BOUND: Duration = Duration::from_secs(4 + 16);

fn pair(tailnet: &Tailnet) -> Pair {
    Pair::with(tailnet, 2, |settings| settings.set("TS_KEEPALIVE", "2s"))
}

/// Writes until that fails; the error says how the connection ended.
fn write_on(mut stream: TcpStream) -> io::Error {
    let block = [0; 64 * 1024];
    loop {
        if let Err(error) = stream.write_all(&block) {
            return error;
        }
    }
}

/// Two connections of a pair, one idle and one on which the side that stays
/// writes without end; the other side's node vanishes. Both are reset in time.
struct Left {
    idle: TcpStream,
    writing: thread::JoinHandle<io::Error>,
    since: Instant,
}

impl Left {
    #[track_caller]
    fn are_ended(mut self, node: &Tailport, mark: usize) {
        let end = end_of(&mut self.idle);
        assert!(is_reset(&end), "the idle one: a reset, not {end:?}");
        let error = self.writing.join().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "the busy one");
        let took = self.since.elapsed();
        assert!(took < BOUND, "after {took:?}");
        let timed_out = |line: &serde_json::Value| {
            line["message"] == "connection ended" && line["ended"] == "timed_out"
        };
        let first = logged(node, mark, "a connection has timed out", timed_out);
        logged(node, mark, "both have timed out", |line| {
            timed_out(line) && line["peer"] != first["peer"]
        });
    }
}

/// Bytes are on their way when the far end has read some of them.
fn flowing(reader: &mut TcpStream) {
    reader.read_exact(&mut [0; 1024]).unwrap();
}

#[test]
fn a_peer_that_is_stopped_loses_its_connections_at_the_exposing_node() {
    let tailnet = Tailnet::start();
    let stock = Peer::start(&tailnet);
    let mut pair = pair(&tailnet);
    let (idle, mut busy, mut other) = {
        let (idle, busy) = (pair.lane(), pair.lane());
        let (flow, another) = (Flow::open(&idle), Flow::open(&busy));
        let client = stock.dial(pair.exposing.at(idle.port()));
        let served = socket::accept(idle.target());
        (flow, another, Flow::of((client, served)))
    };
    other.talks();
    let mark = pair.exposing.stderr().mark();
    let writing = thread::spawn(move || write_on(busy.served));
    flowing(&mut busy.client);
    let Flow {
        client: mut stranded,
        served,
        ..
    } = idle;
    pair.connecting.freeze();
    let left = Left {
        idle: served,
        writing,
        since: Instant::now(),
    };
    left.are_ended(&pair.exposing, mark);
    other.talks();

    // Had it only slept, it learns of it as soon as it wakes.
    pair.connecting.thaw();
    assert!(is_reset(&end_of(&mut stranded)), "its own client is reset");
    let lane = pair.lane();
    Flow::open(&lane).talks();
    other.talks();
}

#[test]
fn a_node_that_is_killed_loses_its_connections_at_the_connecting_node() {
    let tailnet = Tailnet::start();
    let mut pair = pair(&tailnet);
    let (idle, mut busy) = {
        let (idle, busy) = (pair.lane(), pair.lane());
        (Flow::open(&idle), Flow::open(&busy))
    };
    let mark = pair.connecting.stderr().mark();
    let writing = thread::spawn(move || write_on(busy.client));
    flowing(&mut busy.served);
    pair.exposing.kill();
    let left = Left {
        idle: idle.client,
        writing,
        since: Instant::now(),
    };
    left.are_ended(&pair.connecting, mark);
    assert!(pair.connecting.has_ended().is_none());
}
