//! The relay (DERP) is away and comes back.

use crate::flow::Flow;
use crate::support::pair::Pair;
use crate::support::patience::{PATIENCE, eventually};
use crate::support::tailnet::Tailnet;
use crate::support::tailport::Tailport;

/// Nodes that reach each other directly need the relay only to meet.
fn relay_goes_away(mode: &str) {
    let tailnet = Tailnet::start();
    let pair = Pair::start(&tailnet, 1);
    let lane = pair.lane();
    let mut flow = Flow::open(&lane);
    let nodes = [&pair.exposing, &pair.connecting];
    let at_relay = |node: &Tailport| {
        let known = tailnet.node(&node.ready().hostname);
        known.is_some_and(|known| known.at_relay)
    };

    tailnet.relay(mode);
    if mode == "down" {
        for node in nodes {
            eventually("the relay is lost", PATIENCE, || !at_relay(node));
        }
    }
    for _ in 0..3 {
        Flow::open(&lane).talks();
        flow.talks();
    }

    tailnet.relay("up");
    for node in nodes {
        eventually("the relay is back", PATIENCE, || at_relay(node));
    }
    Flow::open(&lane).talks();
    flow.talks();
}

#[test]
fn a_relay_that_is_down_is_not_missed_and_is_used_again() {
    relay_goes_away("down");
}

#[test]
fn a_relay_that_answers_nothing_is_not_missed_and_is_used_again() {
    relay_goes_away("silent");
}
