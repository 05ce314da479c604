//! What a round is made of: loads, and how much of each.

use std::str::FromStr;

/// What is done.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Load {
    /// Bytes in one direction and then in the other, as many as go.
    Bulk,
    /// Requests and answers on connections that stay.
    Exchange,
    /// A connection for each request.
    Requests,
}

/// A load and how many streams or connections it has, `exchange:16` on the command line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(crate) load: Load,
    pub(crate) amount: u32,
}

impl Part {
    /// All of a round, in its order: each load with each of its amounts.
    pub(crate) fn all(bulk: &[u32], exchange: &[u32], requests: &[u32]) -> Vec<Self> {
        let loads = [
            (Load::Bulk, bulk),
            (Load::Exchange, exchange),
            (Load::Requests, requests),
        ];
        let with = |(load, amounts): (Load, &[u32])| {
            let parts = amounts.iter().map(|&amount| Self { load, amount });
            parts.collect::<Vec<_>>()
        };
        loads.into_iter().flat_map(with).collect()
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
