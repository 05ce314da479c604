//! Warnings ahead of the node key's expiry: a week and a day before it, each once.

use std::time::{Duration, SystemTime};

use humantime::format_rfc3339_seconds;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long before the expiry each warning is due, the earlier one first.
const AHEAD: [Duration; 2] = [Duration::from_secs(7 * 24 * 60 * 60), DAY];

/// The longest time between two looks at the clock, which can be set.
const LOOK: Duration = Duration::from_secs(60 * 60);

/// The expiry that is known, and which warnings about it have been given.
#[derive(Debug, Default)]
pub(super) struct KeyExpiry {
    at: Option<SystemTime>,
    /// The shortest of [`AHEAD`] that has been warned of.
    warned: Option<Duration>,
}

impl KeyExpiry {
    /// Notes when the key expires. Another time than before is warned of anew.
    pub(super) fn note(&mut self, at: Option<SystemTime>) {
        if self.at != at {
            *self = Self { at, warned: None };
        }
    }

    /// How long to wait before the next [`KeyExpiry::warn`].
    pub(super) fn pause(&self, now: SystemTime) -> Duration {
        let Some(left) = self.left(now) else {
            return LOOK;
        };
        let next = AHEAD
            .iter()
            .filter(|ahead| self.warned.is_none_or(|warned| **ahead < warned))
            .map(|ahead| left.saturating_sub(*ahead));
        // A moment more, so that the warning is due by then.
        next.min().unwrap_or(LOOK).min(LOOK) + Duration::from_secs(1)
    }

    /// Logs a warning that is due and has not been given. After a long sleep only the
    /// last one is.
    pub(super) fn warn(&mut self, now: SystemTime) {
        if let Some(left) = self.due(now) {
            let days = left.as_secs() / DAY.as_secs();
            let hours = left.as_secs() % DAY.as_secs() / 3600;
            tracing::warn!(
                key_expiry = self.at.map(|at| format_rfc3339_seconds(at).to_string()),
                "the node's key expires in {days} days and {hours} hours: extend it in the admin \
                 console, or disable its expiry there"
            );
        }
    }

    /// The time that is left when a warning is due.
    fn due(&mut self, now: SystemTime) -> Option<Duration> {
        let left = self.left(now)?;
        let reached = AHEAD.into_iter().filter(|ahead| left <= *ahead).min()?;
        let new = self.warned.is_none_or(|warned| reached < warned);
        self.warned = Some(reached);
        new.then_some(left)
    }

    /// The time to the expiry; `None` without one, and after it, when the node itself
    /// says that the key has expired.
    fn left(&self, now: SystemTime) -> Option<Duration> {
        self.at?.duration_since(now).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(days: u64) -> Duration {
        DAY * u32::try_from(days).unwrap()
    }

    fn at(days_since: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + days(days_since)
    }

    #[test]
    fn each_warning_comes_once() {
        let mut expiry = KeyExpiry::default();
        expiry.note(Some(at(100)));
        assert_eq!(expiry.due(at(90)), None);
        assert_eq!(expiry.due(at(93)), Some(days(7)));
        assert_eq!(expiry.due(at(95)), None);
        assert_eq!(expiry.due(at(99)), Some(days(1)));
        assert_eq!(expiry.due(at(99) + days(1) / 2), None);
        assert_eq!(expiry.due(at(101)), None, "expired is said elsewhere");
    }

    #[test]
    fn a_start_on_the_last_day_warns_once() {
        let mut expiry = KeyExpiry::default();
        expiry.note(Some(at(100)));
        let last = at(99) + Duration::from_secs(3600);
        assert!(expiry.due(last).is_some());
        assert_eq!(expiry.due(last), None);
    }

    #[test]
    fn an_extended_key_is_warned_of_anew_and_the_same_one_is_not() {
        let mut expiry = KeyExpiry::default();
        expiry.note(Some(at(100)));
        assert!(expiry.due(at(99)).is_some());
        expiry.note(Some(at(100)));
        assert_eq!(expiry.due(at(99)), None);
        expiry.note(Some(at(200)));
        assert_eq!(expiry.due(at(99)), None);
        assert!(expiry.due(at(194)).is_some());
    }

    #[test]
    fn the_next_look_is_when_a_warning_is_due_and_within_the_hour() {
        let mut expiry = KeyExpiry::default();
        assert!(
            expiry.pause(at(0)) >= LOOK,
            "no expiry, nothing to hurry for"
        );
        expiry.note(Some(at(100)));
        assert!(expiry.pause(at(1)) > LOOK);
        let shortly_before = at(93) - Duration::from_secs(10);
        assert_eq!(expiry.pause(shortly_before), Duration::from_secs(11));
        assert!(
            expiry
                .due(shortly_before + expiry.pause(shortly_before))
                .is_some()
        );
        assert!(expiry.pause(at(94)) > LOOK, "the first one has been given");
    }
}
