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

impl Load {
    /// It with each of these amounts.
    pub(crate) fn of(self, amounts: &[u32]) -> impl Iterator<Item = Part> {
        amounts
            .iter()
            .map(move |&amount| Part { load: self, amount })
    }
}

/// A load and how many streams or connections it has, `exchange:16` on the command line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(crate) load: Load,
    pub(crate) amount: u32,
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
