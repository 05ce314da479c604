//! The node's name on the tailnet: one DNS label.

use std::str::FromStr;

/// The rule text.
pub(super) const RULE: &str = "1 to 63 letters, digits and hyphens, no hyphen at either end";

/// A valid DNS label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hostname(pub(super) String);

/// Why a text is no DNS label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HostnameError {
    /// More than 63 bytes.
    #[error("is longer than 63 characters")]
    TooLong,
    /// A dot: the tailnet's own domain is added by the control server.
    #[error("has a dot: only the first label is chosen here")]
    Dot,
    /// Empty, another character, or a hyphen at an end.
    #[error("is not a DNS label")]
    NotALabel,
}

impl FromStr for Hostname {
    type Err = HostnameError;

    fn from_str(text: &str) -> Result<Self, HostnameError> {
        if text.contains('.') {
            return Err(HostnameError::Dot);
        }
        if text.is_empty()
            || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            || text.starts_with('-')
            || text.ends_with('-')
        {
            return Err(HostnameError::NotALabel);
        }
        if text.len() > 63 {
            return Err(HostnameError::TooLong);
        }
        Ok(Hostname(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dns_labels_are_hostnames() {
        for text in ["tailport", "a", "0", "My-Host-1", &"x".repeat(63)] {
            assert_eq!(text.parse(), Ok(Hostname(text.to_owned())));
        }
        for text in ["", "-a", "a-", "a_b", "a b", "hôte", "a/b"] {
            assert_eq!(
                text.parse::<Hostname>(),
                Err(HostnameError::NotALabel),
                "{text:?}"
            );
        }
        assert_eq!("a.b".parse::<Hostname>(), Err(HostnameError::Dot));
        assert_eq!(
            "x".repeat(64).parse::<Hostname>(),
            Err(HostnameError::TooLong)
        );
    }
}
