//! A setting that is on or off.

use std::str::FromStr;

/// The rule text.
pub(super) const RULE: &str = "true or false (also 1 or 0, yes or no, on or off)";

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Switch(pub(super) bool);

/// The text is neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is neither true nor false")]
pub(super) struct SwitchError;

impl FromStr for Switch {
    type Err = SwitchError;

    fn from_str(text: &str) -> Result<Self, SwitchError> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(Switch(true)),
            "false" | "0" | "no" | "off" => Ok(Switch(false)),
            _ => Err(SwitchError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_word_is_understood_and_no_other() {
        for text in ["true", "TRUE", "1", "yes", "on"] {
            assert_eq!(text.parse(), Ok(Switch(true)));
        }
        for text in ["false", "0", "no", "Off"] {
            assert_eq!(text.parse(), Ok(Switch(false)));
        }
        for text in ["", "2", "y", "enabled", " true"] {
            assert_eq!(text.parse::<Switch>(), Err(SwitchError), "{text:?}");
        }
    }
}
