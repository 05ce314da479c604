//! The course of a connection: what its two directions write down for each other,
//! when bytes last moved, and the two clocks that run on it.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use super::{
    limits::Limits,
    summary::{DirectionEnd, Party},
};

/// What both directions of a connection write down.
pub(super) struct Course {
    limits: Limits,
    start: Instant,
    /// Milliseconds from `start` to the last byte read or written.
    active: AtomicU64,
    /// Who ended or broke first.
    first: OnceLock<Party>,
    /// The ends of the directions from the peer and from the target.
    ends: [OnceLock<DirectionEnd>; 2],
}

impl Course {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            start: Instant::now(),
            active: AtomicU64::new(0),
            first: OnceLock::new(),
            ends: [OnceLock::new(), OnceLock::new()],
        }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The end of the direction from `source`, if it has ended.
    pub(super) fn end(&self, source: Party) -> Option<DirectionEnd> {
        self.ends[source as usize].get().copied()
    }

    /// Notes how the direction from `source` ended. The first note stands.
    pub(super) fn ended(&self, source: Party, end: DirectionEnd) -> DirectionEnd {
        let by = match end {
            DirectionEnd::WriteFailed => Some(source.other()),
            DirectionEnd::Clean | DirectionEnd::Reset | DirectionEnd::TimedOut => Some(source),
            DirectionEnd::Cut | DirectionEnd::Idle | DirectionEnd::Aborted => None,
        };
        if let Some(by) = by {
            self.first.get_or_init(|| by);
        }
        *self.ends[source as usize].get_or_init(|| end)
    }

    pub(super) fn first(&self) -> Option<Party> {
        self.first.get().copied()
    }

    /// Returns when no byte has moved for the idle time, in either direction and
    /// between this side and a slow reader: `progress` says what is still under way,
    /// and what has moved that [`Course::touch`] was not told of. That is only looked for
    /// twice in the time, so it may end by half as late again. Never returns without an
    /// idle time.
    pub(super) async fn idle<P: PartialEq>(&self, progress: impl Fn() -> P) {
        let limit = self.limits.idle;
        if limit.is_zero() {
            return std::future::pending().await;
        }
        loop {
            let active = self.active.load(Relaxed);
            let since = self.start + Duration::from_millis(active);
            let first = progress();
            sleep_until(since + limit / 2).await;
            if self.active.load(Relaxed) != active {
                continue;
            }
            let halfway = progress();
            if halfway != first {
                self.touch();
                continue;
            }
            sleep_until(since + limit).await;
            if self.active.load(Relaxed) != active {
                continue;
            }
            if progress() == halfway {
                return;
            }
            self.touch();
        }
    }

    /// Notes that bytes moved just now.
    pub(super) fn touch(&self) {
        let now = self.start.elapsed().as_millis();
        self.active
            .store(u64::try_from(now).unwrap_or(u64::MAX), Relaxed);
    }
}

/// Bytes written, bytes of them under way, and whether there will be more.
pub(super) type Progress = (u64, u64, bool);

/// A wait that ends when nothing has changed for a while.
pub(super) struct Stall {
    seen: Progress,
    since: Instant,
    limit: Duration,
}

impl Stall {
    pub(super) fn new(limit: Duration, seen: Progress) -> Self {
        Self {
            seen,
            since: Instant::now(),
            limit,
        }
    }

    /// Whether nothing has changed for the whole time.
    pub(super) fn over(&mut self, now: Progress) -> bool {
        if now != self.seen {
            self.seen = now;
            self.since = Instant::now();
        }
        self.since.elapsed() >= self.limit
    }
}
