//! The target is not there: it refuses, or nothing answers at all. The client's
//! connection is reset within TS_DIAL_TIMEOUT, and nobody else notices.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::flow::{Flow, closing_of};
use crate::stage;
use crate::support::black_hole::BlackHole;
use crate::support::settings::Settings;
use crate::support::socket::{self, end_of, is_reset};
use crate::support::tailport::Tailport;

/// The dial's time in these tests, and what a loaded machine may add.
const DIAL: Duration = Duration::from_secs(2);
const SLACK: Duration = Duration::from_secs(5);

/// A node that exposes a live target at 7000 and another one at 7001, and a
/// connection of the stock peer to the live one.
fn exposing(target: SocketAddr) -> (Tailport, Flow) {
    let peer = stage::peer();
    let live = socket::listen();
    let node = Settings::on(stage::tailnet())
        .set("TS_LOG_FORMAT", "json")
        .set("TS_DIAL_TIMEOUT", "2s")
        .expose(7000, live.local_addr().unwrap())
        .expose(7001, target)
        .start(stage::tailnet());
    let client = peer.dial(node.at(7000));
    let mut flow = Flow::of((client, socket::accept(&live)));
    flow.talks();
    (node, flow)
}

/// The same the other way round: a live target of the peer and another address
/// of the tailnet, by two connects. Returns where the second one listens.
fn connecting(target: SocketAddr) -> (Tailport, Flow, SocketAddr) {
    let peer = stage::peer();
    let live = socket::listen();
    let address = live.local_addr().unwrap();
    let _listening = peer.listen(address.port(), address);
    let node = Settings::on(stage::tailnet())
        .set("TS_LOG_FORMAT", "json")
        .set("TS_DIAL_TIMEOUT", "2s")
        .connect(SocketAddr::new(peer.address(), address.port()))
        .connect(target)
        .start(stage::tailnet());
    peer.greet(node.address());
    let local = node.ready().local();
    let client = socket::connect(local[0]);
    let mut flow = Flow::of((client, socket::accept(&live)));
    flow.talks();
    (node, flow, local[1])
}

/// The client is reset; the log says that, and why, the dial failed.
#[track_caller]
fn is_turned_away(mut client: TcpStream, node: &Tailport, forward: &str, flow: &mut Flow) -> Value {
    let start = Instant::now();
    flow.talks();
    let end = end_of(&mut client);
    assert!(is_reset(&end), "a reset, not {end:?}");
    assert!(start.elapsed() < DIAL + SLACK, "{:?}", start.elapsed());
    let line = closing_of(node, 0, forward);
    assert_eq!(line["ended"], "dial_failed");
    flow.talks();
    line
}

#[test]
fn a_target_that_refuses_resets_the_peer() {
    let (_port, refusing) = socket::refusing();
    let (node, mut flow) = exposing(refusing);
    let client = stage::peer().dial(node.at(7001));
    let line = is_turned_away(client, &node, "expose 7001/tcp", &mut flow);
    assert!(
        line["error"].as_str().unwrap().contains("refused"),
        "{line}"
    );
}

#[test]
fn a_target_that_answers_nothing_resets_the_peer_when_the_dial_is_over() {
    let black_hole = BlackHole::new();
    let (node, mut flow) = exposing(black_hole.address());
    let client = stage::peer().dial(node.at(7001));
    let line = is_turned_away(client, &node, "expose 7001/tcp", &mut flow);
    assert!(line["duration_ms"].as_u64().unwrap() >= 1900, "{line}");
}

#[test]
fn a_host_of_the_tailnet_that_refuses_resets_the_client() {
    let nobody = SocketAddr::new(stage::peer().address(), 9);
    let (node, mut flow, entry) = connecting(nobody);
    let client = socket::connect(entry);
    let line = is_turned_away(client, &node, &format!("connect {entry}"), &mut flow);
    assert!(
        line["error"].as_str().unwrap().contains("refused"),
        "{line}"
    );
}

#[test]
fn a_host_of_the_tailnet_that_answers_nothing_resets_the_client_when_the_dial_is_over() {
    let gone = stage::tailnet().black_hole().addresses[0];
    let (node, mut flow, entry) = connecting(SocketAddr::new(gone, 22));
    let client = socket::connect(entry);
    let line = is_turned_away(client, &node, &format!("connect {entry}"), &mut flow);
    assert!(line["duration_ms"].as_u64().unwrap() >= 1900, "{line}");
}
