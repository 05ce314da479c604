//! Where a peer asks to be led, when that is the peer's choice.

use std::{fmt, net::IpAddr};

use thiserror::Error;

/// The longest name that DNS knows, in bytes.
const LONGEST_NAME: usize = 253;

/// A host, by name or address, and a port. Its `Display` reads back as `host:port`,
/// with brackets around an IPv6 address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Destination {
    host: Host,
    port: u16,
}

/// A name or an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name: lower case, no dot at its end.
    Name(String),
    /// An address; an IPv4 one is never in IPv6's clothes.
    Address(IpAddr),
}

/// Why nobody can be led there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoDestination {
    /// Neither a name nor an address.
    #[error("the host is neither a name nor an address")]
    Host,
    /// Port 0.
    #[error("port 0 is none")]
    Port,
}

impl Destination {
    /// A destination whose host is written as text, by name or address.
    ///
    /// # Errors
    /// When nobody could be led there.
    pub fn named(host: &str, port: u16) -> Result<Self, NoDestination> {
        if let Ok(address) = host.parse() {
            return Self::at(address, port);
        }
        let name = host.strip_suffix('.').unwrap_or(host);
        let good = (1..=LONGEST_NAME).contains(&name.len())
            && name.split('.').all(|label| {
                (1..=63).contains(&label.len())
                    && label
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            });
        if !good {
            return Err(NoDestination::Host);
        }
        Self::new(Host::Name(name.to_ascii_lowercase()), port)
    }

    /// A destination by address.
    ///
    /// # Errors
    /// When the port is 0.
    pub fn at(address: IpAddr, port: u16) -> Result<Self, NoDestination> {
        Self::new(Host::Address(address.to_canonical()), port)
    }

    fn new(host: Host, port: u16) -> Result<Self, NoDestination> {
        if port == 0 {
            return Err(NoDestination::Port);
        }
        Ok(Self { host, port })
    }

    /// The name or the address.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port, never 0.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port),
            Host::Address(address) => write!(f, "{address}:{}", self.port),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_has_one_form() {
        for (host, shown) in [
            ("Box.Tailnet.", "box.tailnet:22"),
            ("10.0.0.7", "10.0.0.7:22"),
            ("::ffff:10.0.0.7", "10.0.0.7:22"),
            ("FD00::7", "[fd00::7]:22"),
            ("my_host", "my_host:22"),
        ] {
            let destination = Destination::named(host, 22).unwrap();
            assert_eq!(destination.to_string(), shown, "{host}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let long = format!("{}.x", "a".repeat(64));
        for host in [
            "", ".", "a..b", "a b", "a\0", "a:1", "[::1]", "[::1", "a/b", "a%b", "é", "u@b", &long,
        ] {
            assert_eq!(
                Destination::named(host, 22),
                Err(NoDestination::Host),
                "{host:?}"
            );
        }
        assert_eq!(Destination::named("box", 0), Err(NoDestination::Port));
    }
}
