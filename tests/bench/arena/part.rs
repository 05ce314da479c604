//! What is measured in a round: a load, and how much of it.

use std::str::FromStr;

use super::turn::Load;

/// Streams and connections of a run.
const STREAMS: [u32; 7] = [1, 2, 4, 8, 16, 32, 64];
const EXCHANGING: [u32; 4] = [1, 4, 16, 64];
const REQUESTING: [u32; 3] = [1, 4, 16];

/// A load and its amount, `exchange:16` on the command line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(super) load: Load,
    pub(super) amount: u32,
}

impl Part {
    /// All of a round, in its order.
    pub(super) fn all() -> Vec<Self> {
        let parts = |load, amounts: &[u32]| {
            let parts = amounts.iter().map(move |&amount| Self { load, amount });
            parts.collect::<Vec<_>>()
        };
        [
            parts(Load::Bulk, &STREAMS),
            parts(Load::Exchange, &EXCHANGING),
            parts(Load::Requests, &REQUESTING),
        ]
        .concat()
    }
}

impl FromStr for Part {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let wanted = "not bulk, exchange or requests with a number from 1 to 64, such as bulk:8";
        let (load, amount) = word.split_once(':').ok_or(wanted)?;
        let load = match load {
            "bulk" => Load::Bulk,
            "exchange" => Load::Exchange,
            "requests" => Load::Requests,
            _ => return Err(wanted),
        };
        match amount.parse() {
            Ok(amount @ 1..=64) => Ok(Self { load, amount }),
            _ => Err(wanted),
        }
    }
}
