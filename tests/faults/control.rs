//! The control server is away: before a start, and while nodes run.

use std::time::{Duration, Instant};

use crate::flow::Flow;
use crate::stage::alone;
use crate::support::pair::Pair;
use crate::support::patience::{PATIENCE, eventually};
use crate::support::settings::Settings;
use crate::support::socket;
use crate::support::tailnet::Tailnet;
use crate::support::tailport::Tailport;

/// What the end of a failed start may take beyond TS_TIMEOUT, on a loaded machine.
const SLACK: Duration = Duration::from_secs(8);

/// Whether a node has a map poll open.
fn polls(tailnet: &Tailnet, node: &Tailport) -> bool {
    let known = tailnet.node(&node.ready().hostname);
    known.is_some_and(|known| known.polling)
}

#[test]
fn a_start_waits_for_the_control_server() {
    for mode in ["refuse", "silent"] {
        let tailnet = Tailnet::start();
        tailnet.control(mode);
        let mut node = alone(Settings::on(&tailnet))
            .set("TS_TIMEOUT", "60s")
            .spawn();
        if mode == "refuse" {
            node.wait_for_text("the control server cannot be asked yet");
        }
        assert!(node.has_ended().is_none(), "{mode}: {}", node.log());
        tailnet.control("ok");
        let ready = node.wait_ready();
        tailnet.wait_reachable(ready.address());
    }
}

#[test]
fn a_start_without_a_control_server_ends_with_69() {
    for mode in ["refuse", "silent"] {
        let tailnet = Tailnet::start();
        tailnet.control(mode);
        let start = Instant::now();
        let mut node = alone(Settings::on(&tailnet))
            .set("TS_TIMEOUT", "3s")
            .spawn();
        assert_eq!(node.wait_code(PATIENCE), 69, "{mode}");
        let took = start.elapsed();
        assert!(took >= Duration::from_secs(3), "{mode}: {took:?}");
        assert!(took < Duration::from_secs(3) + SLACK, "{mode}: {took:?}");
        assert!(node.stdout().lines().is_empty(), "{mode}");
        let line = node.wait_for_text("ERROR {");
        assert!(line.contains(r#""kind":"timed_out""#), "{line}");
        assert!(line.contains("within TS_TIMEOUT (3s)"), "{line}");
        assert!(line.contains(tailnet.control_url()), "{line}");
    }
}

/// What runs does not need the control server, whichever way that is away; nodes
/// come back to it by themselves.
fn control_goes_away(mode: &str) {
    let tailnet = Tailnet::start();
    let pair = Pair::start(&tailnet, 2);
    let lane = pair.lane();
    let mut flow = Flow::open(&lane);

    tailnet.control(mode);
    for _ in 0..3 {
        Flow::open(&lane).talks();
        flow.talks();
    }
    if mode == "refuse" {
        for node in [&pair.exposing, &pair.connecting] {
            let name = &node.ready().hostname;
            eventually(&format!("{name} has lost control"), PATIENCE, || {
                !polls(&tailnet, node)
            });
        }
    }
    Flow::open(&lane).talks();

    tailnet.control("ok");
    for node in [&pair.exposing, &pair.connecting] {
        let name = &node.ready().hostname;
        eventually(&format!("{name} is back"), PATIENCE, || {
            polls(&tailnet, node)
        });
    }
    flow.talks();
    // What only a node that hears from control can do: meet a new one.
    let lane = pair.lane();
    let newcomer = Settings::on(&tailnet)
        .connect(pair.exposing.at(lane.port()))
        .set("TS_DIAL_TIMEOUT", "20s")
        .start(&tailnet);
    let client = socket::connect(newcomer.local());
    Flow::of((client, socket::accept(lane.target()))).talks();
    flow.talks();
}

#[test]
fn a_control_server_that_refuses_connections_is_not_missed() {
    control_goes_away("refuse");
}

#[test]
fn a_control_server_that_answers_nothing_is_not_missed() {
    control_goes_away("silent");
}
