//! Ten thousand connections at once: none is lost, every one still echoes, no OS
//! thread waits for one, and all that they took comes back.
//!
//! A connection takes three descriptors of the process. Where the hard limit does
//! not allow 30,192 and cannot be raised, as many nodes as are needed share the
//! connections; where the test itself cannot have as many at its target, there are
//! fewer. It says which.

use std::time::{Duration, Instant};

use crate::echo::Echo;
use crate::load::Load;
use crate::stage;
use crate::support::peer::Peer;
use crate::support::process::{Footprint, descriptor_limit};
use crate::support::settings::Settings;
use crate::support::tailport::Tailport;

/// Connections at once.
const CONNECTIONS: usize = 10_000;

/// Descriptors of the test besides those of the target's connections.
const OF_THE_TEST: usize = 500;

/// OS threads that the process may have.
const THREADS: u64 = 16;

/// Connections that are being made at one time.
const WORKERS: usize = 64;

/// The port on the tailnet.
const PORT: u16 = 7000;

/// Time for all connections to be made, on a slow and busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

#[test]
fn ten_thousand_connections_are_held_at_once_and_given_back() {
    let _machine = stage::alone();
    let target = Echo::start();
    let peer = Peer::start(stage::tailnet());
    let all = CONNECTIONS.min(descriptor_limit().saturating_sub(OF_THE_TEST));
    let shares = shares(all, descriptor_limit());
    println!("{all} connections in shares of {shares:?}, one process each");
    let nodes: Vec<_> = shares
        .iter()
        .map(|&share| (node(&target, share), share))
        .collect();

    let before: Vec<_> = nodes
        .iter()
        .map(|(node, _)| {
            peer.greet(node.address());
            // What the first connections of a process leave behind is no leak.
            let quiet = Footprint::of(node.pid());
            drop(held(&peer, node, 100));
            quiet.wait_back(node.pid(), PATIENCE)
        })
        .collect();
    for round in 1..=2 {
        println!("round {round}");
        let mut held: Vec<_> = nodes
            .iter()
            .map(|(node, share)| held(&peer, node, *share))
            .collect();
        assert_eq!(target.open(), all, "connections at the target");
        for (((node, share), before), held) in nodes.iter().zip(&before).zip(&mut held) {
            let echoed = held.echo(PATIENCE);
            assert_eq!(echoed.echoed, *share as u64, "{echoed:?}");
            let now = Footprint::of(node.pid());
            let each = now.resident.saturating_sub(before.resident) / *share as u64;
            println!("  {share} held: {now}, {each} bytes a connection");
            assert!(now.threads <= THREADS, "{now}");
        }
        drop(held);
        let closing = Instant::now();
        for ((node, _), before) in nodes.iter().zip(&before) {
            let after = before.wait_back(node.pid(), PATIENCE);
            let took = closing.elapsed().as_secs_f64();
            println!("  closed in {took:.1} s: {after}; before: {before}");
            assert!(after.threads <= THREADS, "{after}");
        }
        assert_eq!(target.open(), 0, "connections at the target");
    }
}

/// How many connections each process has to take.
fn shares(all: usize, descriptors: usize) -> Vec<usize> {
    let fit = descriptors.saturating_sub(192) / 3;
    let mut shares = Vec::new();
    let mut left = all;
    while left > 0 {
        shares.push(left.min(fit));
        left -= left.min(fit);
    }
    shares
}

/// A node with exactly as many slots as it is to hold connections: a second round
/// only fits when the first one has given back every slot.
fn node(target: &Echo, cap: usize) -> Tailport {
    Settings::on(stage::tailnet())
        .expose(PORT, target.address())
        .set("TS_MAX_CONNECTIONS", cap.to_string())
        .start(stage::tailnet())
}

#[track_caller]
fn held(peer: &Peer, node: &Tailport, count: usize) -> Load {
    let mut load = Load::hold(peer, node.at(PORT), count, WORKERS);
    let opened = load.outcome(PATIENCE);
    assert_eq!(opened.handshakes, count as u64, "{opened:?}");
    let echoed = load.echo(PATIENCE);
    assert_eq!(echoed.echoed, count as u64, "{echoed:?}");
    println!(
        "  {count} opened in {:.1} s, {:.0} a second",
        opened.seconds,
        count as f64 / opened.seconds
    );
    load
}
