//! Durations as people write them: `500ms`, `5s`, `1m30s`, and `0` for none.
//!
//! The finest step is a millisecond, because the Go half counts in them. The longest is 30 days: it
//! is more than any timeout here can need, and it keeps every sum of an instant and a duration, and
//! every count of milliseconds in 32 bits, clear of an overflow.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The longest duration that a setting may have.
pub const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The rule text of a setting that must be more than zero.
pub(super) const MORE_THAN_ZERO: &str = "a duration from 1ms to 30d, such as 500ms, 5s or 1m30s";
/// The rule text of a setting that may be zero.
pub(super) const ZERO_OR_MORE: &str =
    "0, or a duration from 1ms to 30d, such as 500ms, 5s or 1m30s";

/// Why a text is no duration for its setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// A bare number.
    #[error("has no unit: write 5s or 500ms")]
    NoUnit,
    /// A leading minus.
    #[error("must not be negative")]
    Negative,
    /// Zero where the setting needs more.
    #[error("must be more than 0")]
    Zero,
    /// A part of a millisecond.
    #[error("is finer than a millisecond")]
    TooFine,
    /// Longer than [`LONGEST`].
    #[error("is longer than 30 days")]
    TooLong,
    /// Anything else.
    #[error("is not a duration")]
    Malformed,
}

/// A duration of zero or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnyDuration(pub Duration);

/// A duration of more than zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositiveDuration(pub Duration);

impl FromStr for AnyDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let text = text.trim();
        if text.starts_with('-') {
            return Err(DurationError::Negative);
        }
        if text != "0" && !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.') {
            return Err(DurationError::NoUnit);
        }
        let duration = humantime::parse_duration(text).map_err(|error| match error {
            humantime::DurationError::NumberOverflow => DurationError::TooLong,
            _ => DurationError::Malformed,
        })?;
        if duration > LONGEST {
            return Err(DurationError::TooLong);
        }
        if !duration.subsec_nanos().is_multiple_of(1_000_000) {
            return Err(DurationError::TooFine);
        }
        Ok(AnyDuration(duration))
    }
}

impl FromStr for PositiveDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let AnyDuration(duration) = text.parse()?;
        if duration.is_zero() {
            return Err(DurationError::Zero);
        }
        Ok(PositiveDuration(duration))
    }
}

impl fmt::Display for AnyDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_zero() {
            return f.write_str("0");
        }
        f.write_str(
            &humantime::format_duration(self.0)
                .to_string()
                .replace(' ', ""),
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any(text: &str) -> Result<Duration, DurationError> {
        text.parse::<AnyDuration>().map(|duration| duration.0)
    }

    #[test]
    fn the_documented_forms_parse() {
        assert_eq!(any("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(any("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(any("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(any("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(any("0"), Ok(Duration::ZERO));
        assert_eq!(any("0s"), Ok(Duration::ZERO));
        assert_eq!(any("30d"), Ok(LONGEST));
    }

    #[test]
    fn each_mistake_has_its_reason() {
        assert_eq!(any("5"), Err(DurationError::NoUnit));
        assert_eq!(any("1.5"), Err(DurationError::NoUnit));
        assert_eq!(any("-5s"), Err(DurationError::Negative));
        assert_eq!(any("-1"), Err(DurationError::Negative));
        assert_eq!(any("1us"), Err(DurationError::TooFine));
        assert_eq!(any("31d"), Err(DurationError::TooLong));
        assert_eq!(any("99999999999999999999999s"), Err(DurationError::TooLong));
        assert_eq!(any("18446744073709551615y"), Err(DurationError::TooLong));
        for text in ["", " ", "soon", "5 parsecs", "s", "5s-", "١s"] {
            assert_eq!(any(text), Err(DurationError::Malformed), "{text:?}");
        }
    }

    #[test]
    fn zero_is_refused_where_more_is_needed() {
        for text in ["0", "0s", "0ms", "0h0m"] {
            assert_eq!(
                text.parse::<PositiveDuration>(),
                Err(DurationError::Zero),
                "{text:?}"
            );
        }
        assert_eq!(
            "1ms".parse(),
            Ok(PositiveDuration(Duration::from_millis(1)))
        );
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(millis in 0..=LONGEST.as_millis() as u64) {
            let duration = AnyDuration(Duration::from_millis(millis));
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
        }

        #[test]
        fn arbitrary_text_never_panics(text in ".*") {
            let _ = text.parse::<PositiveDuration>();
        }
    }
}
