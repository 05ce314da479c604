//! The relay alone: bytes from a socket of loopback to another one, by a process
//! that does nothing else.
//!
//! | file | its one idea |
//! |---|---|
//! | `contestant` | who is compared, and how each is started |
//! | `process` | those that are this executable, started again |
//! | `haproxy` | HAProxy in TCP mode |
//! | `load` | what the loads have in common: sockets, times, sizes |
//! | `bulk`, `exchange`, `connects` | the three loads |
//!
//! Clients and targets are threads of this process and share the processors with
//! the contestant, as everything on one machine does: throughput is that of the
//! whole, and what the contestant itself costs is told by its CPU time. Those that are
//! this executable keep parts of it resident that they have no use for, such as the Go
//! half: compare their memory with each other.
//!
//! A contestant is started anew for each load of each round, and one that fails ends the
//! run. All take their turn before the next round begins, which begins with another one.

mod bulk;
mod connects;
mod contestant;
mod exchange;
mod haproxy;
mod load;
pub(crate) mod process;

pub(crate) use self::haproxy::PROGRAM as HAPROXY;

use self::contestant::{Contestant, Kind};
use self::load::Target;
use super::figures;
use super::options::Options;
use super::part::{Load, Part};
use super::record::Record;
use super::samples::{Samples, Scenario};
use super::way::Way;

/// Streams and connections of a run.
const STREAMS: [u32; 3] = [1, 8, 64];
const CONNECTIONS: [u32; 2] = [1, 16];

/// Measures all contestants that are there, at all loads or at some alone.
pub(crate) fn run(samples: &mut Samples, options: Options, only: &[Part]) {
    let kinds = contestant::present();
    let parts = if only.is_empty() {
        Part::all(&STREAMS, &CONNECTIONS, &CONNECTIONS)
    } else {
        only.to_vec()
    };
    for part in parts {
        for round in 0..options.rounds {
            let first = round as usize % kinds.len();
            let (before, after) = kinds.split_at(first);
            for kind in after.iter().chain(before) {
                let record = Record::new(samples, Scenario::Relay, kind.name(), round);
                measure(part, *kind, record.under(part.amount), options);
            }
        }
    }
}

fn measure(part: Part, kind: Kind, mut record: Record<'_>, options: Options) {
    let seed = u64::from(record.round());
    let target = Target::listen();
    let contestant = Contestant::start(kind, &target);
    let amount = part.amount;
    match part.load {
        Load::Bulk => bulk(amount, seed, &target, &contestant, record, options),
        Load::Exchange => {
            let found = exchange::run(
                &target,
                contestant.address(),
                amount,
                seed,
                options.window(),
            );
            record.add(&figures::LATENCY_P50, found.percentile(0.5));
            record.add(&figures::LATENCY_P99, found.percentile(0.99));
            record.add(&figures::LATENCY_P999, found.percentile(0.999));
        }
        Load::Requests => {
            let found = connects::run(&target, &contestant, amount, seed, options.window());
            record.add(&figures::CONNECTS, found.per_second());
            if let Some(cpu) = found.cpu_per_thousand() {
                record.add(&figures::CONNECTS_CPU, cpu);
            }
            record.add(&figures::CONNECTS_FAILED, f64::from(found.failed));
        }
    }
}

/// Both directions, one after the other, through the same process: its peak is that
/// of both.
fn bulk(
    streams: u32,
    seed: u64,
    target: &Target,
    contestant: &Contestant,
    mut record: Record<'_>,
    options: Options,
) {
    contestant.forget_peak();
    for way in Way::BOTH {
        let found = bulk::run(way, target, contestant, streams, seed, options.window());
        record.add(way.rate(), found.per_second());
        if let Some(cpu) = found.cpu_per_gib() {
            record.add(way.cpu(), cpu);
        }
    }
    if let Some(peak) = contestant.peak() {
        record.add(&figures::PEAK_MEMORY, peak as f64);
    }
}
