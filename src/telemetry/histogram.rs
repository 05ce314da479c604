//! A histogram of durations: plain atomics, fixed bounds, one addition an observation.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds in seconds for dials: from a socket of this machine to a name that takes
/// the whole default of TS_DIAL_TIMEOUT.
pub const DIALS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
/// Upper bounds in seconds for connections: from one request to a working day and more.
pub const CONNECTIONS: &[f64] = &[
    0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 3600.0, 14400.0, 86400.0,
];

/// How many durations fell where.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One for each bound, and one for what is beyond the last.
    counts: Box<[AtomicU64]>,
    microseconds: AtomicU64,
}

impl Histogram {
    /// An empty one; the bounds are in seconds, ascending.
    pub fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            microseconds: AtomicU64::new(0),
        }
    }

    /// Counts a duration in the first bucket whose bound it does not exceed.
    pub fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let place = self.bounds.partition_point(|bound| *bound < seconds);
        self.counts[place].fetch_add(1, Relaxed);
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.microseconds.fetch_add(microseconds, Relaxed);
    }

    /// What has been counted so far. The count is that of the buckets, so that the two
    /// never contradict each other, even while others observe.
    pub fn snapshot(&self) -> Buckets {
        let mut count = 0;
        let mut below = Vec::with_capacity(self.bounds.len());
        for (index, bucket) in self.counts.iter().enumerate() {
            count += bucket.load(Relaxed);
            if let Some(bound) = self.bounds.get(index) {
                below.push((*bound, count));
            }
        }
        Buckets {
            below,
            count,
            sum: Duration::from_micros(self.microseconds.load(Relaxed)),
        }
    }
}

/// A histogram at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Buckets {
    /// Each bound in seconds with how many durations did not exceed it.
    pub below: Vec<(f64, u64)>,
    /// All of them.
    pub count: u64,
    /// Their sum.
    pub sum: Duration,
}

impl Buckets {
    /// Adds another histogram with the same bounds.
    pub(super) fn add(&mut self, other: &Self) {
        for (sum, (_, more)) in self.below.iter_mut().zip(&other.below) {
            sum.1 += more;
        }
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_in_every_bucket_from_its_own_up() {
        let histogram = Histogram::new(&[0.1, 1.0]);
        for milliseconds in [100, 101, 1000, 5000] {
            histogram.observe(Duration::from_millis(milliseconds));
        }
        let buckets = histogram.snapshot();
        assert_eq!(buckets.below, [(0.1, 1), (1.0, 3)]);
        assert_eq!(buckets.count, 4);
        assert_eq!(buckets.sum, Duration::from_millis(6201));
    }

    #[test]
    fn the_bounds_ascend() {
        for bounds in [DIALS, CONNECTIONS] {
            assert!(bounds.is_sorted() && bounds[0] > 0.0);
        }
    }
}
