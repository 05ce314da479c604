//! Live counters of a forward: plain atomics that anyone may read at any time.
//!
//! Every connection that arrives is counted once as accepted or refused, and
//! every accepted one is active until it is counted under one [`Ended`], so that
//! `accepted == active + all ends` whenever nothing is moving.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// The counters of a forward, or of everything when forwards share one.
#[derive(Debug, Default)]
pub struct Metrics {
    accepted: AtomicU64,
    refused: AtomicU64,
    active: AtomicU64,
    accept_errors: AtomicU64,
    ends: [AtomicU64; Ended::ALL.len()],
    traffic: Traffic,
}

impl Metrics {
    /// Counts an accepted connection, active until the guard ends.
    pub fn begin(self: &Arc<Self>) -> Active {
        self.accepted.fetch_add(1, Relaxed);
        self.active.fetch_add(1, Relaxed);
        Active {
            metrics: Arc::clone(self),
            ended: None,
        }
    }

    /// Counts a connection that was closed at once.
    pub fn refuse(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// Counts a failed accept.
    pub fn accept_error(&self) {
        self.accept_errors.fetch_add(1, Relaxed);
    }

    /// Bytes moved so far, counted while connections run.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// The counters as they are now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            accepted: self.accepted.load(Relaxed),
            refused: self.refused.load(Relaxed),
            active: self.active.load(Relaxed),
            accept_errors: self.accept_errors.load(Relaxed),
            to_target: self.traffic.to_target.load(Relaxed),
            to_peer: self.traffic.to_peer.load(Relaxed),
            ends: Ended::ALL.map(|ended| (ended, self.ends[ended as usize].load(Relaxed))),
        }
    }
}

/// Bytes delivered, by direction.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Bytes written to targets.
    pub to_target: AtomicU64,
    /// Bytes written to the peers that connected.
    pub to_peer: AtomicU64,
}

/// An accepted connection being counted as active.
///
/// Dropped without [`Active::end`] it counts as panicked while a panic unwinds,
/// and as aborted otherwise.
#[derive(Debug)]
#[must_use]
pub struct Active {
    metrics: Arc<Metrics>,
    ended: Option<Ended>,
}

impl Active {
    /// The counters it belongs to.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Says how the connection ended.
    pub fn end(mut self, ended: Ended) {
        self.ended = Some(ended);
    }

    /// What it counts as when dropped now.
    pub fn would_end(&self) -> Ended {
        self.ended.unwrap_or(if std::thread::panicking() {
            Ended::Panicked
        } else {
            Ended::Aborted
        })
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        let ended = self.would_end();
        self.metrics.ends[ended as usize].fetch_add(1, Relaxed);
        self.metrics.active.fetch_sub(1, Relaxed);
    }
}

/// How a connection ended, as one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Both directions delivered all their bytes and their end.
    Clean,
    /// One side reset it.
    Reset,
    /// One side stopped answering.
    TimedOut,
    /// Bytes of one side could not be written to the other.
    WriteFailed,
    /// No byte moved for the idle time.
    Idle,
    /// Ended from this side: the grace of a stop was over.
    Aborted,
    /// The target could not be reached.
    DialFailed,
    /// A fault of the program.
    Panicked,
}

impl Ended {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Clean,
        Self::Reset,
        Self::TimedOut,
        Self::WriteFailed,
        Self::Idle,
        Self::Aborted,
        Self::DialFailed,
        Self::Panicked,
    ];

    /// Its name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Reset => "reset",
            Self::TimedOut => "timed_out",
            Self::WriteFailed => "write_failed",
            Self::Idle => "idle",
            Self::Aborted => "aborted",
            Self::DialFailed => "dial_failed",
            Self::Panicked => "panicked",
        }
    }
}

/// The counters at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Connections that got a slot.
    pub accepted: u64,
    /// Connections closed at once, for want of a slot or a file descriptor.
    pub refused: u64,
    /// Accepted connections that have not ended.
    pub active: u64,
    /// Failed accepts.
    pub accept_errors: u64,
    /// Bytes written to targets.
    pub to_target: u64,
    /// Bytes written to peers.
    pub to_peer: u64,
    /// Ended connections by how they ended.
    pub ends: [(Ended, u64); Ended::ALL.len()],
}

impl Snapshot {
    /// How many connections ended this way.
    pub fn ended(&self, ended: Ended) -> u64 {
        self.ends[ended as usize].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_has_the_number_of_its_place_and_a_name_of_its_own() {
        let mut names: Vec<_> = Ended::ALL.iter().map(|ended| ended.as_str()).collect();
        for (place, ended) in Ended::ALL.iter().enumerate() {
            assert_eq!(*ended as usize, place);
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Ended::ALL.len());
    }

    #[test]
    fn an_accepted_connection_is_active_until_it_ends_once() {
        let metrics = Arc::new(Metrics::default());
        let first = metrics.begin();
        let second = metrics.begin();
        assert_eq!(metrics.snapshot().active, 2);
        first.end(Ended::Clean);
        drop(second);
        let now = metrics.snapshot();
        assert_eq!((now.accepted, now.active), (2, 0));
        assert_eq!((now.ended(Ended::Clean), now.ended(Ended::Aborted)), (1, 1));
    }
}
