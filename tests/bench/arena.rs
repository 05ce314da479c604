//! Where contestants meet: a private tailnet, a stock peer that makes the load, another
//! that serves it, and rounds in which everybody has a turn.
//!
//! | file | its one idea |
//! |---|---|
//! | `stage` | the tailnet, its peers, what serves, and the contestants |
//! | `turn` | a contestant's turn at a load |
//!
//! A contestant that fails at a load is named on stderr and left out there; one that has
//! died is left out from then on. Neither ends the run.

mod stage;
mod turn;

use std::thread;
use std::time::Duration;

use self::stage::{Entry, Stage};
use self::turn::Turn;
use super::contestant::Contestant;
use super::most;
use super::options::Options;
use super::part::Part;
use super::record::Record;
use super::samples::{Samples, Scenario};
use crate::support::peer::Peer;

/// Streams and connections of a run.
const STREAMS: [u32; 7] = [1, 2, 4, 8, 16, 32, 64];
const EXCHANGING: [u32; 4] = [1, 4, 16, 64];
const REQUESTING: [u32; 3] = [1, 4, 16];
const HELD: [u32; 4] = [1_000, 2_500, 5_000, most::WANTED];

/// Between two turns, for what the one before leaves behind.
const PAUSE: Duration = Duration::from_millis(300);

/// A scenario on its tailnet.
struct Arena<'a> {
    scenario: Scenario,
    /// Makes the load.
    client: &'a Peer,
    entries: Vec<Entry<'a>>,
    options: Options,
    samples: &'a mut Samples,
}

/// Measures one side of forwarding, expose or connect: all of it, or some parts alone.
#[track_caller]
pub(crate) fn run(scenario: Scenario, options: Options, only: &[Part], samples: &mut Samples) {
    let stage = Stage::set(scenario);
    let mut arena = Arena {
        scenario,
        client: stage.client(),
        entries: stage.entries(),
        options,
        samples,
    };
    if !only.is_empty() {
        return arena.rounds(only);
    }
    arena.rounds(&Part::all(&STREAMS, &EXCHANGING, &REQUESTING));
    // Anew: what other loads have made them grow by is not that of connections held.
    arena.entries.clear();
    arena.entries = stage.entries();
    arena.held();
}

impl Arena<'_> {
    fn rounds(&mut self, parts: &[Part]) {
        for round in 0..self.options.rounds {
            for &Part { load, amount } in parts {
                self.turns(round, &format!("{load:?} of {amount}"), amount, |turn| {
                    turn.run(load)
                });
            }
        }
    }

    /// In one round: it is memory and threads that count.
    fn held(&mut self) {
        let most = most::held();
        if most < most::WANTED {
            let scenario = self.scenario.name();
            eprintln!("{scenario}: descriptors suffice to hold {most} connections, no more");
        }
        let mut loads = HELD.map(|load| load.min(most)).to_vec();
        loads.dedup();
        for connections in loads {
            self.turns(0, &format!("{connections} held"), connections, |turn| {
                turn.hold()
            });
        }
    }

    /// Everybody's turn at an amount of load; who begins changes with the round.
    fn turns(
        &mut self,
        round: u32,
        load: &str,
        amount: u32,
        run: impl Fn(&mut Turn<'_>) -> Result<(), String>,
    ) {
        let count = self.entries.len();
        for place in 0..count {
            let entry = &mut self.entries[(place + round as usize) % count];
            if entry.is_out() {
                continue;
            }
            let record = Record::new(self.samples, self.scenario, entry.name, round);
            let mut turn = Turn {
                client: self.client,
                pid: entry.contestant.as_ref().map(Contestant::pid),
                to: entry.to,
                server: entry.server,
                seconds: self.options.seconds,
                record: record.under(amount),
            };
            let (scenario, name) = (self.scenario.name(), entry.name);
            if let Err(error) = run(&mut turn) {
                eprintln!("{scenario}: {name}, {load}: {error}");
            }
            if let Err(error) = turn.clear() {
                eprintln!("{scenario}: {name}, after {load}: {error}");
            }
            thread::sleep(PAUSE);
        }
    }
}
