//! Live counters of a forward: plain atomics that anyone may read at any time.
//!
//! Every connection that arrives is counted once as accepted or refused, and
//! every accepted one is active until it is counted under one [`Ended`], so that
//! `accepted == active + all ends` whenever nothing is moving.

use std::collections::BTreeMap;
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};
use std::time::{Duration, Instant};

use super::histogram::{self, Histogram};
use super::recent::Recent;
pub use super::snapshot::Snapshot;

/// The counters of a forward.
#[derive(Debug)]
pub struct Metrics {
    accepted: AtomicU64,
    refused: AtomicU64,
    active: AtomicU64,
    flows: AtomicU64,
    accept_errors: AtomicU64,
    ends: [AtomicU64; Ended::ALL.len()],
    traffic: Traffic,
    dropped_datagrams: AtomicU64,
    dials: Histogram,
    /// By the error's name: a map, because failures are few, and bounded, because the
    /// names are part of the program.
    dial_errors: Mutex<BTreeMap<&'static str, u64>>,
    durations: Histogram,
    recent: Arc<Recent>,
}

impl Default for Metrics {
    /// Counters that remember ended connections for themselves.
    fn default() -> Self {
        Self::new(Arc::default())
    }
}

impl Metrics {
    /// Counters that remember ended connections in `recent`.
    pub fn new(recent: Arc<Recent>) -> Self {
        Self {
            accepted: AtomicU64::default(),
            refused: AtomicU64::default(),
            active: AtomicU64::default(),
            flows: AtomicU64::default(),
            accept_errors: AtomicU64::default(),
            ends: Default::default(),
            traffic: Traffic::default(),
            dropped_datagrams: AtomicU64::default(),
            dials: Histogram::new(histogram::DIALS),
            dial_errors: Mutex::default(),
            durations: Histogram::new(histogram::CONNECTIONS),
            recent,
        }
    }

    /// Counts an accepted connection, active until the guard ends.
    pub fn begin(self: &Arc<Self>) -> Active {
        self.accepted.fetch_add(1, Relaxed);
        self.active.fetch_add(1, Relaxed);
        Active {
            metrics: Arc::clone(self),
            begun: Instant::now(),
            is_flow: false,
            ended: None,
        }
    }

    /// Counts an accepted UDP flow: a connection that is told apart while it is active.
    pub fn begin_flow(self: &Arc<Self>) -> Active {
        let mut active = self.begin();
        active.is_flow = true;
        self.flows.fetch_add(1, Relaxed);
        active
    }

    /// Counts a connection that was closed at once.
    pub fn refuse(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// Counts a failed accept.
    pub fn accept_error(&self) {
        self.accept_errors.fetch_add(1, Relaxed);
    }

    /// Counts a whole dial, tries and name resolution included, with the name of its
    /// error if it failed.
    pub fn dialed(&self, took: Duration, error: Option<&'static str>) {
        self.dials.observe(took);
        if let Some(name) = error {
            let mut errors = self
                .dial_errors
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *errors.entry(name).or_default() += 1;
        }
    }

    /// Counts datagrams of UDP flows that were dropped whole.
    pub fn drop_datagrams(&self, count: u64) {
        self.dropped_datagrams.fetch_add(count, Relaxed);
    }

    /// Where connections that have ended are remembered.
    pub fn recent(&self) -> &Recent {
        &self.recent
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
            flows: self.flows.load(Relaxed),
            accept_errors: self.accept_errors.load(Relaxed),
            to_target: self.traffic.to_target.load(Relaxed),
            to_peer: self.traffic.to_peer.load(Relaxed),
            dropped_datagrams: self.dropped_datagrams.load(Relaxed),
            ends: Ended::ALL.map(|ended| (ended, self.ends[ended as usize].load(Relaxed))),
            dials: self.dials.snapshot(),
            dial_errors: self
                .dial_errors
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
            durations: self.durations.snapshot(),
        }
    }
}

/// Bytes delivered, by direction. The Go half adds to them too, at times that it alone
/// knows, and so they are never given back: 16 bytes for a forward.
#[derive(Debug)]
pub struct Traffic {
    /// Bytes written to targets.
    pub to_target: &'static AtomicU64,
    /// Bytes written to the peers that connected.
    pub to_peer: &'static AtomicU64,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            to_target: Box::leak(Box::default()),
            to_peer: Box::leak(Box::default()),
        }
    }
}

/// An accepted connection being counted as active.
///
/// Dropped without [`Active::end`] it counts as panicked while a panic unwinds,
/// and as aborted otherwise.
#[derive(Debug)]
#[must_use]
pub struct Active {
    metrics: Arc<Metrics>,
    begun: Instant,
    is_flow: bool,
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
        if self.is_flow {
            self.metrics.flows.fetch_sub(1, Relaxed);
        }
        self.metrics.active.fetch_sub(1, Relaxed);
        self.metrics.durations.observe(self.begun.elapsed());
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
    /// The peer was not let in.
    Denied,
    /// A fault of the program.
    Panicked,
    /// The peer did not say what it must say first, or asked for what it is not given.
    OpenFailed,
}

impl Ended {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Clean,
        Self::Reset,
        Self::TimedOut,
        Self::WriteFailed,
        Self::Idle,
        Self::Aborted,
        Self::DialFailed,
        Self::Denied,
        Self::Panicked,
        Self::OpenFailed,
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
            Self::Denied => "denied",
            Self::Panicked => "panicked",
            Self::OpenFailed => "open_failed",
        }
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
    fn dials_are_timed_and_their_failures_counted_by_name() {
        let metrics = Metrics::default();
        metrics.dialed(Duration::from_millis(3), None);
        metrics.dialed(Duration::from_secs(5), Some("timed_out"));
        metrics.dialed(Duration::from_secs(5), Some("timed_out"));
        let now = metrics.snapshot();
        assert_eq!((now.dials.count, now.dial_errors["timed_out"]), (3, 2));
    }

    #[test]
    fn a_flow_is_a_connection_told_apart_until_it_ends() {
        let metrics = Arc::new(Metrics::default());
        let (connection, flow) = (metrics.begin(), metrics.begin_flow());
        let now = metrics.snapshot();
        assert_eq!((now.accepted, now.active, now.flows), (2, 2, 1));
        drop(connection);
        assert_eq!(metrics.snapshot().flows, 1);
        flow.end(Ended::Idle);
        let now = metrics.snapshot();
        assert_eq!((now.active, now.flows), (0, 0));
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
        assert_eq!(now.durations.count, 2);
        assert_eq!((now.ended(Ended::Clean), now.ended(Ended::Aborted)), (1, 1));
    }
}
