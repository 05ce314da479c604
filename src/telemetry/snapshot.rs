//! The counters of a forward, or the sums over several, at one moment.

use std::collections::BTreeMap;

use super::histogram::Buckets;
use super::metrics::{Ended, Metrics};

/// The counters at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Connections that got a slot.
    pub accepted: u64,
    /// Connections closed at once, for want of a slot or a file descriptor.
    pub refused: u64,
    /// Accepted connections that have not ended.
    pub active: u64,
    /// UDP flows among them.
    pub flows: u64,
    /// Failed accepts.
    pub accept_errors: u64,
    /// Bytes written to targets.
    pub to_target: u64,
    /// Bytes written to peers.
    pub to_peer: u64,
    /// Datagrams of UDP flows that were dropped whole.
    pub dropped_datagrams: u64,
    /// Ended connections by how they ended.
    pub ends: [(Ended, u64); Ended::ALL.len()],
    /// How long whole dials took, failed ones included.
    pub dials: Buckets,
    /// Failed dials by the name of their error.
    pub dial_errors: BTreeMap<&'static str, u64>,
    /// How long connections that have ended lasted.
    pub durations: Buckets,
}

impl Default for Snapshot {
    /// Nothing counted yet.
    fn default() -> Self {
        Metrics::default().snapshot()
    }
}

impl Snapshot {
    /// How many connections ended this way.
    pub fn ended(&self, ended: Ended) -> u64 {
        self.ends[ended as usize].1
    }

    /// Adds another forward's counters.
    pub fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.active += other.active;
        self.flows += other.flows;
        self.accept_errors += other.accept_errors;
        self.to_target += other.to_target;
        self.to_peer += other.to_peer;
        self.dropped_datagrams += other.dropped_datagrams;
        for (sum, (_, more)) in self.ends.iter_mut().zip(other.ends) {
            sum.1 += more;
        }
        for (name, more) in &other.dial_errors {
            *self.dial_errors.entry(name).or_default() += more;
        }
        self.dials.add(&other.dials);
        self.durations.add(&other.durations);
    }
}
