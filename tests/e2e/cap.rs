//! The cap on connections: exact under a rush, refusals at once, every slot back.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::stage;
use crate::support::patience::{PATIENCE, eventually};
use crate::support::server::Server;
use crate::support::settings::Settings;
use crate::support::socket;
use crate::support::tailport::Tailport;

const CAP: usize = 50;
const CLIENTS: usize = 500;

/// How soon a refused client is to know, on a machine that is busy with the others.
const AT_ONCE: Duration = Duration::from_secs(3);

/// Connects; the error is the way in's.
type Open<'a> = dyn Fn() -> Result<TcpStream, String> + Sync + 'a;

/// A connection that the target has answered on, or how long it took to be closed.
type Outcome = Result<TcpStream, Duration>;

fn attempt(open: &Open<'_>) -> Outcome {
    let asked = Instant::now();
    let mut stream = match open() {
        Ok(stream) => stream,
        Err(_) => return Err(asked.elapsed()),
    };
    let opened = Instant::now();
    let mut answer = [0];
    let served = stream.write_all(b"?").is_ok() && stream.read_exact(&mut answer).is_ok();
    if served {
        Ok(stream)
    } else {
        Err(opened.elapsed())
    }
}

/// So many clients at once; all stay until each knows its outcome.
fn rush(clients: usize, open: &Open<'_>) -> Vec<Outcome> {
    let (send, outcomes) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..clients {
            let send = send.clone();
            scope.spawn(move || send.send(attempt(open)));
        }
    });
    drop(send);
    outcomes.iter().collect()
}

fn settings() -> Settings {
    stage::settings()
        .set("TS_MAX_CONNECTIONS", CAP.to_string())
        .set("TS_LOG_FORMAT", "json")
}

fn holds(node: &Tailport, target: &Server, open: &Open<'_>) {
    let outcomes = rush(CLIENTS, open);
    let refused: Vec<_> = outcomes.iter().filter_map(|o| o.as_ref().err()).collect();
    assert_eq!(outcomes.len() - refused.len(), CAP, "clients were served");
    assert_eq!(target.peak(), CAP, "connections at the target at one time");
    assert_eq!(target.total(), CAP, "connections at the target");
    let slowest = refused.into_iter().max().expect("some were refused");
    assert!(*slowest < AT_ONCE, "a client was refused after {slowest:?}");

    drop(outcomes);
    // A slot comes back with its closing line.
    eventually("every connection has ended", PATIENCE, || {
        node.closings().len() == CAP && target.open() == 0
    });
    let again = rush(CAP, open);
    let served = again.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(served, CAP, "slots came back");
    assert_eq!(target.peak(), CAP, "connections at the target at one time");
}

#[test]
fn an_expose_serves_exactly_its_cap_of_500_clients_and_gets_every_slot_back() {
    let target = Server::echo();
    let node = stage::start(&settings().expose(7000, target.address()));
    holds(&node, &target, &|| stage::peer().try_dial(node.at(7000)));
}

#[test]
fn a_connect_serves_exactly_its_cap_of_500_clients_and_gets_every_slot_back() {
    let target = Server::echo();
    let port = stage::peer_port();
    let _listening = stage::peer().listen(port, target.address());
    let at_peer = SocketAddr::new(stage::peer().address(), port);
    let node = stage::start(&settings().connect(at_peer));
    holds(&node, &target, &|| {
        socket::try_connect(node.local()).map_err(|error| error.to_string())
    });
}
