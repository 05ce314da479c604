//! A hundred thousand short connections, one after another: nothing is left of
//! them, and memory stays where it was after the first ones.
//!
//! A stock node that ends a connection first keeps its port for a minute, and has
//! fewer than fifty thousand: several peers take turns.

use std::thread;
use std::time::Duration;

use crate::echo::Echo;
use crate::load::Load;
use crate::stage;
use crate::support::peer::Peer;
use crate::support::process::{Footprint, mebibytes, resident};
use crate::support::settings::Settings;

/// Connections in all.
const CONNECTIONS: usize = 100_000;

/// Connections at one time.
const WORKERS: usize = 64;

/// Peers that take turns.
const PEERS: usize = 3;

/// Rounds of equal size.
const ROUNDS: usize = 20;

/// Those of them in which memory may still grow.
const WARM_UP: usize = 4;

/// Bytes of memory for each connection that is over. One that stays behind would
/// take more: a goroutine's stack alone has 2 KiB.
const LEAK: u64 = 512;

/// The port on the tailnet.
const PORT: u16 = 7000;

const PATIENCE: Duration = Duration::from_secs(300);

#[test]
fn a_hundred_thousand_short_connections_leave_nothing() {
    let _machine = stage::alone();
    let target = Echo::start();
    let peers: Vec<_> = (0..PEERS).map(|_| Peer::start(stage::tailnet())).collect();
    let node = Settings::on(stage::tailnet())
        .expose(PORT, target.address())
        .set("TS_LOG", "warn")
        .start(stage::tailnet());
    for peer in &peers {
        peer.greet(node.address());
    }
    let before = Footprint::of(node.pid());

    let mut medians = Vec::new();
    let mut seconds = 0.0;
    for (round, peer) in (1..=ROUNDS).zip(peers.iter().cycle()) {
        let count = CONNECTIONS / ROUNDS;
        let mut load = Load::churn(peer, node.at(PORT), count, WORKERS);
        let (outcome, median) = thread::scope(|scope| {
            let running = scope.spawn(|| load.outcome(PATIENCE));
            let mut seen = Vec::new();
            while !running.is_finished() {
                seen.push(resident(node.pid()).expect("the process runs"));
                thread::sleep(Duration::from_millis(50));
            }
            seen.sort_unstable();
            let median = seen[seen.len() / 2];
            (running.join().expect("the churn ends"), median)
        });
        println!(
            "round {round}: {:.0} connections a second, {} resident",
            count as f64 / outcome.seconds,
            mebibytes(median)
        );
        assert_eq!(outcome.echoed, count as u64, "{outcome:?}");
        seconds += outcome.seconds;
        medians.push(median);
    }
    println!("{CONNECTIONS} connections in {seconds:.0} s");
    assert_eq!(target.total(), CONNECTIONS);

    let after = before.wait_back(node.pid(), PATIENCE);
    println!("after: {after}; before: {before}");
    let (early, late) = medians[WARM_UP..].split_at((medians.len() - WARM_UP) / 2);
    let (early, late) = (middle(early), middle(late));
    let between = CONNECTIONS / ROUNDS * (medians.len() - WARM_UP) / 2;
    let each = late.saturating_sub(early) / between as u64;
    println!(
        "resident: {} early, {} late, {each} bytes a connection",
        mebibytes(early),
        mebibytes(late)
    );
    assert!(each < LEAK, "memory grows: {medians:?}");
}

fn middle(values: &[u64]) -> u64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}
