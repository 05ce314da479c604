//! The programs themselves: how soon they can be reached, what they use at rest, how
//! large they are.

use std::thread;
use std::time::{Duration, Instant};

use super::contestant::Contestant;
use super::figures;
use super::kind::{Kind, binary_size};
use super::options::Options;
use super::record::Record;
use super::samples::{Samples, Scenario};
use super::support::tailnet::Tailnet;
use super::support::{process, socket};

/// After its start a program is not yet at rest for so long.
const SETTLE: Duration = Duration::from_secs(10);

/// How long it is watched at rest: the kernel counts in steps of mostly 10 ms.
const REST: Duration = Duration::from_secs(60);

/// The port on the tailnet.
const PORT: u16 = 7000;

/// Measures them as they expose a port, started with a new directory each time.
///
/// "Reachable" is the same event for all: [`Contestant::reachable_after`].
pub(crate) fn run(options: Options, samples: &mut Samples) {
    let tailnet = Tailnet::start();
    let target = socket::listen();
    let start = |kind| Contestant::expose(kind, &tailnet, PORT, socket::address(&target));
    let kinds = Kind::EXPOSING;
    for round in 0..options.rounds {
        for place in 0..kinds.len() {
            let kind = kinds[(place + round as usize) % kinds.len()];
            let took = start(kind).reachable_after().as_secs_f64();
            Record::new(samples, Scenario::Program, kind.name(), round).add(&figures::READY, took);
        }
    }
    let contestants = kinds.map(start);
    thread::sleep(SETTLE);
    let used = |contestant: &Contestant| process::processor(contestant.pid()).ok();
    let before = contestants.each_ref().map(used);
    let begun = Instant::now();
    thread::sleep(REST);
    let seconds = begun.elapsed().as_secs_f64();
    for ((contestant, before), kind) in contestants.iter().zip(before).zip(kinds) {
        let mut record = Record::new(samples, Scenario::Program, kind.name(), 0);
        record.add(&figures::BINARY, binary_size(kind) as f64);
        let resident = process::resident(contestant.pid());
        match (before.zip(used(contestant)), resident) {
            (Some((before, after)), Ok(resident)) => {
                record.add(&figures::IDLE_CPU, (after - before) / seconds);
                record.add(&figures::IDLE_MEMORY, resident as f64);
            }
            _ => eprintln!("program  {}: ended at rest", kind.name()),
        }
    }
}
