//! What is known about whether a target is well: pure, on a clock that is told.

use std::time::Duration;

use tokio::time::Instant;

/// How long a target is passed over after its first failure; it doubles with each
/// further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest such time: the most that a target which is well again can wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The health of one target.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// Failures one after the other.
    failures: u32,
    /// When the last of them was noted.
    noted: Option<Instant>,
    /// Until when it is passed over.
    until: Option<Instant>,
}

impl Health {
    /// Whether it may be tried.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now >= until)
    }

    /// Asks to try it. One that has failed is given to one asker only; it is
    /// passed over for as long again, unless that try succeeds.
    pub(super) fn begin(&mut self, now: Instant) -> bool {
        let open = self.is_open(now);
        if open && self.failures > 0 {
            self.until = Some(now + self.pause());
        }
        open
    }

    /// Notes that a try begun at `begun` failed. Of tries that ran side by side
    /// only the first one is news.
    pub(super) fn failed(&mut self, begun: Instant, now: Instant) {
        if self.noted.is_some_and(|noted| begun <= noted) {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        self.noted = Some(now);
        self.until = Some(now + self.pause());
    }

    /// Notes that a try succeeded.
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    fn pause(&self) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(16);
        (FIRST_PAUSE * 2_u32.pow(doublings)).min(LONGEST_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(1);

    /// Fails once at `now`, in a try that takes no time.
    fn fail(health: &mut Health, now: Instant) {
        assert!(health.begin(now));
        health.failed(now, now);
    }

    #[test]
    fn the_pause_doubles_from_one_second_to_thirty() {
        let (mut health, mut now) = (Health::default(), Instant::now());
        for seconds in [1, 2, 4, 8, 16, 30, 30, 30] {
            let pause = Duration::from_secs(seconds);
            fail(&mut health, now);
            assert!(!health.is_open(now + pause - TICK), "{seconds}");
            assert!(health.is_open(now + pause), "{seconds}");
            now += pause;
        }
        health.succeeded();
        fail(&mut health, now);
        assert!(health.is_open(now + FIRST_PAUSE));
    }

    #[test]
    fn tries_that_fail_together_count_once() {
        let (mut health, begun) = (Health::default(), Instant::now());
        assert!((0..100).all(|_| health.begin(begun)));
        for late in 0..100 {
            health.failed(begun, begun + TICK * late);
        }
        assert!(health.is_open(begun + FIRST_PAUSE));
    }

    #[test]
    fn only_one_finds_out_whether_it_is_well_again() {
        let (mut health, begun) = (Health::default(), Instant::now());
        fail(&mut health, begun);
        let due = begun + FIRST_PAUSE;
        assert!(health.begin(due));
        assert!(!health.begin(due));
        // Whoever asked has gone without a word.
        assert!(health.begin(due + FIRST_PAUSE));
        health.succeeded();
        assert!(health.begin(due) && health.begin(due));
    }
}
