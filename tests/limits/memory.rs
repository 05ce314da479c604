//! Memory under load: below 400 MiB resident by default, and under a control
//! group's limit slower rather than dead.

use std::time::Duration;

use crate::bulk::{STREAMS, Target, Way, per_second};
use crate::control_group::ControlGroup;
use crate::stage;
use crate::support::content::MIB;
use crate::support::peer::Peer;
use crate::support::process::{mebibytes, peak_resident};
use crate::support::settings::Settings;
use crate::support::tailport::Tailport;

/// What a node may have resident with its default settings.
const RESIDENT: u64 = 400 * MIB;

/// The control group's limit.
const GROUP: u64 = 256 * MIB;

/// One run in one direction.
const RUN: Duration = Duration::from_secs(5);

/// Runs in each direction.
const ROUNDS: usize = 2;

/// The port on the tailnet.
const PORT: u16 = 7000;

#[test]
fn bulk_streams_stay_below_400_mib_by_default() {
    let _machine = stage::alone();
    let target = Target::start();
    let peer = Peer::start(stage::tailnet());
    let usual = exposing(&target).start(stage::tailnet());
    let free = exposing(&target)
        .set("TS_MEMORY_LIMIT", "64GiB")
        .start(stage::tailnet());
    compare(&target, &peer, &[("default", &usual), ("no limit", &free)]);
    let peak = peak_resident(usual.pid()).expect("the process runs");
    assert!(peak < RESIDENT, "{} resident", mebibytes(peak));
}

#[test]
#[ignore = "needs the right to make a control group with a memory limit"]
fn a_limit_of_256_mib_slows_bulk_streams_and_ends_nothing() {
    let _machine = stage::alone();
    let target = Target::start();
    let peer = Peer::start(stage::tailnet());
    let usual = exposing(&target).start(stage::tailnet());
    let group = ControlGroup::with_memory(GROUP).expect("making a control group");
    let mut tight = exposing(&target)
        .launched_by(&["sh", "-c", &group.entry()])
        .start(stage::tailnet());
    compare(&target, &peer, &[("default", &usual), ("256 MiB", &tight)]);
    println!(
        "  at most charged to the group: {}",
        mebibytes(group.peak())
    );
    assert!(tight.has_ended().is_none(), "the limited node has ended");
    assert!(group.peak() <= GROUP);
    tight.kill();
    tight.wait_exit(RUN);
}

fn exposing(target: &Target) -> Settings {
    Settings::on(stage::tailnet()).expose(PORT, target.address())
}

/// Runs the same streams through two nodes in turns, and tells the second one's
/// figures as shares of the first one's.
fn compare(target: &Target, peer: &Peer, nodes: &[(&str, &Tailport); 2]) {
    for (_, node) in nodes {
        peer.greet(node.address());
        // The first streams make all buffers grow, the peer's too.
        target.run(peer, node.at(PORT), Way::Both, RUN);
    }
    for way in Way::ALL {
        let mut rates = [0.0; 2];
        for _ in 0..ROUNDS {
            for ((_, node), rate) in nodes.iter().zip(&mut rates) {
                *rate += target.run(peer, node.at(PORT), way, RUN) / ROUNDS as f64;
            }
        }
        println!("{STREAMS} streams, {way:?}:");
        for ((name, node), rate) in nodes.iter().zip(rates) {
            assert!(rate > 0.0, "{name}: nothing moves");
            println!(
                "  {name}: {}, {:.2} of the first, at most {} resident",
                per_second(rate),
                rate / rates[0],
                mebibytes(peak_resident(node.pid()).expect("the process runs"))
            );
        }
    }
}
