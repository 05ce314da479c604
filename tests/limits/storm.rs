//! A storm of connection attempts at a cap of 100: those who are in do not feel
//! it, and every handshake is counted once, as accepted or as refused.
//!
//! Whoever makes the storm is scheduled only when nobody else wants to run: it takes
//! all the time that the node leaves of this machine, and none from those who
//! measure, as if it were another machine.

use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::echo::Echo;
use crate::latency::Latency;
use crate::load::{Load, Outcome};
use crate::stage;
use crate::support::patience::PATIENCE;
use crate::support::peer::Peer;
use crate::support::settings::Settings;
use crate::support::socket;
use crate::support::tailport::Tailport;

/// Connections at once over all forwards.
const CAP: usize = 100;

/// Those of them that exist before the storm and are measured.
const ESTABLISHED: usize = 10;

/// Further ones that exist before the storm and leave it few places to fight for.
const IDLE: usize = 80;

/// How long the storm lasts.
const STORM: Duration = Duration::from_secs(10);

/// How long the quiet before it, and after it, is measured.
const QUIET: Duration = Duration::from_secs(5);

/// Attempts at one time: more than there are places.
const WORKERS: usize = 64;

/// How much slower than in the quiet an echo may be.
const SLOWER: f64 = 5.0;

/// Storms in which it may show that it is not: what else this machine does can only
/// make an echo slower.
const STORMS: usize = 3;

/// What starts a program that is scheduled when nobody else wants to run.
const IDLE_ONLY: [&str; 3] = ["chrt", "--idle", "0"];

/// The port on the tailnet.
const PORT: u16 = 7000;

#[test]
fn a_storm_from_the_tailnet_is_counted_and_not_felt() {
    let _machine = stage::alone();
    let target = Echo::start();
    let storming = Peer::launched_by(&IDLE_ONLY, stage::tailnet());
    let peer = Peer::start(stage::tailnet());
    let node = Settings::on(stage::tailnet())
        .expose(PORT, target.address())
        .set("TS_MAX_CONNECTIONS", CAP.to_string())
        .set("TS_LOG_FORMAT", "json")
        .start(stage::tailnet());
    storming.greet(node.address());
    peer.greet(node.address());
    let established: Vec<_> = (0..ESTABLISHED + IDLE)
        .map(|_| peer.dial(node.at(PORT)))
        .collect();
    let outcome = weather(&established, &storming, node.at(PORT));
    drop(established);
    check_counts(node, &outcome);
}

#[test]
fn a_storm_from_this_machine_is_counted_and_not_felt() {
    let _machine = stage::alone();
    let target = Echo::start();
    let storming = Peer::launched_by(&IDLE_ONLY, stage::tailnet());
    let peer = Peer::start(stage::tailnet());
    let _listening = peer.listen(PORT, target.address());
    let node = Settings::on(stage::tailnet())
        .connect(SocketAddr::new(peer.address(), PORT))
        .set("TS_MAX_CONNECTIONS", CAP.to_string())
        .set("TS_LOG_FORMAT", "json")
        .start(stage::tailnet());
    peer.greet(node.address());
    let established: Vec<_> = (0..ESTABLISHED + IDLE)
        .map(|_| socket::connect(node.local()))
        .collect();
    let outcome = weather(&established, &storming, node.local());
    drop(established);
    check_counts(node, &outcome);
}

/// Measures established connections in the quiet and in the storm; how all attempts
/// ended.
#[track_caller]
fn weather(established: &[TcpStream], storming: &Peer, to: SocketAddr) -> Outcome {
    let (measured, idle) = established.split_at(ESTABLISHED);
    assert_eq!(idle.len(), IDLE);
    let mut all: Option<Outcome> = None;
    for _ in 0..STORMS {
        let (outcome, slower) = storm(measured, storming, to);
        all = Some(match all {
            Some(before) => before.and(outcome),
            None => outcome,
        });
        if slower < SLOWER {
            return all.expect("there was a storm");
        }
    }
    panic!("the storm is felt: {all:?}");
}

/// One storm: how its attempts ended, and how many times as long an echo took as in
/// the quiet.
fn storm(measured: &[TcpStream], storming: &Peer, to: SocketAddr) -> (Outcome, f64) {
    let before = Latency::during(measured, QUIET);
    println!("  before: {}", before.summary());
    let over = AtomicBool::new(false);
    let (outcome, stormy) = thread::scope(|scope| {
        let measuring = scope.spawn(|| Latency::measure(measured, &over));
        let outcome = scope.spawn(|| {
            let mut storm = Load::storm(storming, to, STORM, WORKERS);
            storm.outcome(STORM + PATIENCE)
        });
        let outcome = outcome.join();
        over.store(true, Relaxed);
        let stormy = measuring.join().expect("the established connections go on");
        (outcome.expect("the storm ends"), stormy)
    });
    println!("  storm: {}", stormy.summary());
    // What else this machine does changes: the quiet is measured on both sides.
    let after = Latency::during(measured, QUIET);
    println!("  after: {}", after.summary());
    let quiet = before.quantile(0.99).max(after.quantile(0.99));
    let slower = stormy.quantile(0.99).as_secs_f64() / quiet.as_secs_f64();
    println!(
        "  {:.0} attempts a second, 99 of 100 echoes {slower:.2} times as long: {outcome:?}",
        outcome.handshakes as f64 / outcome.seconds
    );
    (outcome, slower)
}

/// What the node has counted is what the other side has seen.
#[track_caller]
fn check_counts(mut node: Tailport, outcome: &Outcome) {
    node.terminate();
    let served = node.wait_for_text("\"served\"");
    let served: Value = serde_json::from_str(&served).expect("a line of JSON");
    let count = |key: &str| served[key].as_u64().expect("a number");
    println!("  {served}");
    let all = outcome.handshakes + (ESTABLISHED + IDLE) as u64;
    assert_eq!(count("accepted") + count("refused"), all, "{outcome:?}");
    assert_eq!(outcome.failed, 0, "{outcome:?}");
    assert_eq!(
        count("accepted"),
        outcome.echoed + (ESTABLISHED + IDLE) as u64
    );
    assert_eq!(count("refused"), outcome.reset);
}
