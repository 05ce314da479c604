//! An entry of the SOCKS5 proxy's list of destinations: a host or several, and perhaps one port.

use std::fmt;
use std::str::FromStr;

use super::allow::Allow;

/// Where clients of the SOCKS5 proxy may go: `db-host`, `db-host:5432`, `*.internal`, `10.0.0.7`,
/// `10.0.0.0/8` or `[fd7a::1]:22`. Shown in the form that reads back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination(String);

/// Why a text is no destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DestinationError {
    /// Neither a name nor an address.
    #[error("is no host, suffix, address or range of addresses")]
    Host,
    /// Not 1 to 65535.
    #[error("has no port from 1 to 65535 after the colon")]
    Port,
}

impl Destination {
    /// The rule text.
    pub(super) const RULE: &str =
        "HOST, *.SUFFIX, ADDRESS or ADDRESS/BITS, each also with :PORT, IPv6 then in brackets";
}

impl FromStr for Destination {
    type Err = DestinationError;

    fn from_str(text: &str) -> Result<Self, DestinationError> {
        let entry = || Destination(text.to_owned());
        if is_network(text) {
            return Ok(entry());
        }
        // No network, so that what has a colon has a port.
        let (host, port) = match text.rsplit_once(':') {
            None => (text, None),
            Some((host, port)) => (host, Some(port)),
        };
        let digits = |port: &str| port.bytes().all(|b| b.is_ascii_digit());
        if port.is_some_and(|port| !digits(port) || !port.parse().is_ok_and(|n: u16| n > 0)) {
            return Err(DestinationError::Port);
        }
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let good = match (bare, host.strip_prefix("*.")) {
            (Some(bare), _) => bare.contains(':') && is_network(bare),
            (None, Some(suffix)) => is_name(suffix),
            (None, None) => is_name(host) || (is_network(host) && !host.contains(':')),
        };
        good.then(entry).ok_or(DestinationError::Host)
    }
}

/// An address, or a range of them.
fn is_network(text: &str) -> bool {
    matches!(text.parse(), Ok(Allow::Network(_)))
}

fn is_name(text: &str) -> bool {
    matches!(text.parse(), Ok(Allow::Node(_)))
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_suffixes_addresses_and_ranges_are_destinations() {
        for text in [
            "db-host",
            "db-host:5432",
            "*.internal",
            "*.internal:443",
            "10.0.0.7:22",
            "10.0.0.0/8",
            "fd7a::1",
            "fd7a::/16",
            "[fd7a::1]:22",
        ] {
            let read: Destination = text.parse().unwrap();
            assert_eq!(read.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_destination_is_refused() {
        for text in [
            "",
            "*",
            "*.",
            "a b",
            "tag:web",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "[a]:1",
        ] {
            assert!(text.parse::<Destination>().is_err(), "{text:?}");
        }
        for text in ["a:", "a:0", "a:65536", "a:+1", "a:http"] {
            assert_eq!(
                text.parse::<Destination>(),
                Err(DestinationError::Port),
                "{text:?}"
            );
        }
    }
}
