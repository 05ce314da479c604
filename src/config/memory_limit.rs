//! The Go half's soft memory limit: `auto`, or bytes with a unit.

use std::fmt;
use std::str::FromStr;

/// The rule text.
pub(super) const RULE: &str =
    "auto, or at least 32MiB as a whole number with KiB, MiB, GiB, kB, MB or GB";

/// Less than the Go half needs at rest: it would only collect garbage.
const SMALLEST: u64 = 32 << 20;

/// How much memory the Go half should stay under. A soft limit: it slows down rather than fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryLimit {
    /// A share of the cgroup's limit, else a measured value.
    Auto,
    /// This many bytes, at least 32 MiB, at most `i64::MAX`.
    Bytes(u64),
}

/// Why a text is no memory limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemoryLimitError {
    /// A bare number.
    #[error("has no unit: write 384MiB")]
    NoUnit,
    /// An unknown unit, or no number.
    #[error("is not a number of bytes")]
    Malformed,
    /// Below the smallest.
    #[error("is less than 32MiB")]
    TooSmall,
    /// Above `i64::MAX` bytes.
    #[error("is too large")]
    TooLarge,
}

impl FromStr for MemoryLimit {
    type Err = MemoryLimitError;

    fn from_str(text: &str) -> Result<Self, MemoryLimitError> {
        if text == "auto" {
            return Ok(MemoryLimit::Auto);
        }
        let digits = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        if number.is_empty() {
            return Err(MemoryLimitError::Malformed);
        }
        let factor: u64 = match unit.trim_start() {
            "" => return Err(MemoryLimitError::NoUnit),
            "B" => 1,
            "kB" | "KB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(MemoryLimitError::Malformed),
        };
        let bytes = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(factor))
            .filter(|bytes| i64::try_from(*bytes).is_ok())
            .ok_or(MemoryLimitError::TooLarge)?;
        if bytes < SMALLEST {
            return Err(MemoryLimitError::TooSmall);
        }
        Ok(MemoryLimit::Bytes(bytes))
    }
}

impl fmt::Display for MemoryLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MemoryLimit::Auto => f.write_str("auto"),
            MemoryLimit::Bytes(bytes) if bytes.is_multiple_of(1 << 20) => {
                write!(f, "{}MiB", bytes >> 20)
            }
            MemoryLimit::Bytes(bytes) => write!(f, "{bytes}B"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn auto_or_bytes_with_a_unit() {
        assert_eq!("auto".parse(), Ok(MemoryLimit::Auto));
        assert_eq!("384MiB".parse(), Ok(MemoryLimit::Bytes(384 << 20)));
        assert_eq!("1 GB".parse(), Ok(MemoryLimit::Bytes(1_000_000_000)));
        assert_eq!("384".parse::<MemoryLimit>(), Err(MemoryLimitError::NoUnit));
        assert_eq!(
            "1MiB".parse::<MemoryLimit>(),
            Err(MemoryLimitError::TooSmall)
        );
        assert_eq!(
            "0GiB".parse::<MemoryLimit>(),
            Err(MemoryLimitError::TooSmall)
        );
        assert_eq!(
            "18446744073709551615GiB".parse::<MemoryLimit>(),
            Err(MemoryLimitError::TooLarge)
        );
        for text in ["", "-1MiB", "MiB", "384mib", "384M", "1.5GiB", "off"] {
            assert_eq!(
                text.parse::<MemoryLimit>(),
                Err(MemoryLimitError::Malformed),
                "{text:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(bytes in SMALLEST..=i64::MAX as u64) {
            let limit = MemoryLimit::Bytes(bytes);
            prop_assert_eq!(limit.to_string().parse(), Ok(limit));
        }
    }
}
