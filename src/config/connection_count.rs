//! A number of connections: at least one.

use std::num::NonZeroU32;
use std::str::FromStr;

/// The rule text.
pub(super) const RULE: &str = "a whole number from 1 to 1000000";

/// Far above what the file-descriptor limit of any system allows.
const MOST: u32 = 1_000_000;

/// A number of connections from 1 to a million.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ConnectionCount(pub(super) NonZeroU32);

/// Why a text is no number of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ConnectionCountError {
    /// A leading minus.
    #[error("must not be negative")]
    Negative,
    /// No connection could ever be made.
    #[error("must be more than 0")]
    Zero,
    /// More than a million.
    #[error("is more than 1000000")]
    TooMany,
    /// Not digits alone.
    #[error("is not a whole number")]
    Malformed,
}

impl FromStr for ConnectionCount {
    type Err = ConnectionCountError;

    fn from_str(text: &str) -> Result<Self, ConnectionCountError> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ConnectionCountError::Malformed);
        }
        if negative {
            return Err(ConnectionCountError::Negative);
        }
        match digits.parse::<u32>() {
            Ok(number) if number <= MOST => NonZeroU32::new(number)
                .map(ConnectionCount)
                .ok_or(ConnectionCountError::Zero),
            _ => Err(ConnectionCountError::TooMany),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_numbers_from_one_to_a_million() {
        let read = |text: &str| text.parse::<ConnectionCount>().map(|count| count.0.get());
        assert_eq!(read("1"), Ok(1));
        assert_eq!(read("1000000"), Ok(1_000_000));
        assert_eq!(read("0"), Err(ConnectionCountError::Zero));
        assert_eq!(read("-1"), Err(ConnectionCountError::Negative));
        assert_eq!(read("1000001"), Err(ConnectionCountError::TooMany));
        assert_eq!(read("99999999999999"), Err(ConnectionCountError::TooMany));
        for text in ["", "-", "+1", "1.5", "many", "1e3", " 1"] {
            assert_eq!(read(text), Err(ConnectionCountError::Malformed), "{text:?}");
        }
    }
}
