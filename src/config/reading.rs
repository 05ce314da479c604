//! One setting as it was read: absent, understood, or wrong with its reason.
//!
//! Deserializing a [`Reading`] never fails on a text, so that one pass over all settings finds
//! every mistake.

use std::fmt::Display;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

/// What became of one setting's text.
#[derive(Debug, Default)]
pub(super) enum Reading<T> {
    /// There was no text and the setting has no default.
    #[default]
    Absent,
    /// The text was understood.
    Is(T),
    /// The text was not understood: why.
    Wrong(String),
}

impl<T> Reading<T> {
    /// Why the text was not understood.
    pub(super) fn wrong(&self) -> Option<&str> {
        match self {
            Reading::Wrong(why) => Some(why),
            _ => None,
        }
    }

    /// The value, when there is one.
    pub(super) fn ok(self) -> Option<T> {
        match self {
            Reading::Is(value) => Some(value),
            _ => None,
        }
    }
}

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Reading<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(match text.parse() {
            Ok(value) => Reading::Is(value),
            Err(error) => Reading::Wrong(error.to_string()),
        })
    }
}
