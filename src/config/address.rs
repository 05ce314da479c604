//! Hosts and targets as forwards name them: what is dialed, and its texts.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::ports::Ports;
use super::socket_path::{PREFIX, SocketPath};

/// Why a text is no address or port.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The port is missing or has other characters than digits.
    #[error("port {0:?} is not a number")]
    PortNotANumber(String),
    /// The port is 0 or above 65535.
    #[error("port {0} is not in 1 to 65535")]
    PortOutOfRange(String),
    /// No `:PORT` at the end.
    #[error("has no port: write HOST:PORT")]
    NoPort,
    /// Nothing in front of `:PORT`.
    #[error("has no host: write HOST:PORT")]
    NoHost,
    /// An IPv6 address without brackets.
    #[error("an IPv6 address needs brackets: write [ADDRESS]:PORT")]
    NeedsBrackets,
    /// What stands between brackets is no IPv6 address.
    #[error("{0:?} is not an IPv6 address")]
    NotIpv6(String),
    /// Neither an address nor a valid name.
    #[error("{0:?} is neither an IP address nor a host name")]
    BadHost(String),
    /// A name where only an address can be listened on.
    #[error(
        "{0:?} is not an IP address of this machine: write an address, localhost or only a port"
    )]
    NotLocal(String),
    /// A range whose end comes before its start.
    #[error("range {0} ends before it starts")]
    Backwards(String),
    /// A range where there can only be one port.
    #[error("is a range: write one port")]
    Range,
    /// Something else than a protocol after the slash.
    #[error("{0:?} is no protocol")]
    BadProtocol(String),
    /// A service's name that is no DNS label after `svc:`.
    #[error("{0:?} is no name of a service: write svc:NAME:PORT")]
    NotAService(String),
    /// A Unix socket's path that depends on the working directory.
    #[error("{0:?} is not an absolute path: write unix:/PATH")]
    PathNotAbsolute(String),
    /// A Unix socket's path that could not stand in a list.
    #[error("path {0:?} has a comma, a bar, an equals sign or a character that is not plain text")]
    PathCharacter(String),
    /// A Unix socket's path that is none of a file.
    #[error("{0:?} is not the plain path of a file")]
    PathNotAFile(String),
    /// A Unix socket's path that the system cannot take.
    #[error("path is longer than {0} bytes, more than a Unix socket can have")]
    PathTooLong(usize),
}

/// What a forward dials. Shown as `HOST:PORT`, IPv6 in brackets, or `unix:/PATH`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A host of a network.
    Network {
        /// Its address or name.
        host: Host,
        /// The port, 1 to 65535.
        port: u16,
    },
    /// A socket of this machine.
    Unix(SocketPath),
}

/// The host of a [`Target`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A literal address.
    Ip(IpAddr),
    /// A name, resolved when a connection is made.
    Name(String),
}

impl Host {
    /// This machine, over IPv4.
    pub(super) const LOOPBACK: Host = Host::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST));

    /// Whether it is this machine for certain: a loopback address or `localhost`.
    pub fn is_loopback(&self) -> bool {
        match self {
            Host::Ip(address) => address.to_canonical().is_loopback(),
            Host::Name(name) => name.trim_end_matches('.').eq_ignore_ascii_case("localhost"),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Network { host, port } => match host {
                Host::Ip(address) => SocketAddr::new(*address, *port).fmt(f),
                Host::Name(name) => write!(f, "{name}:{port}"),
            },
            Target::Unix(path) => path.fmt(f),
        }
    }
}

/// A target as it is written, where the port may be a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TargetText {
    /// `HOST:PORT` or `HOST:PORT-PORT`.
    Network(Host, Ports),
    /// `unix:/PATH`.
    Unix(SocketPath),
}

impl FromStr for TargetText {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix(PREFIX) {
            return path.parse().map(TargetText::Unix);
        }
        let (host, ports) = split(text)?;
        if host.is_empty() {
            return Err(AddressError::NoHost);
        }
        Ok(TargetText::Network(host_of(host)?, ports.parse()?))
    }
}

/// Splits `HOST:PORT`; the brackets of an IPv6 address stay with the host.
pub(super) fn split(text: &str) -> Result<(&str, &str), AddressError> {
    if text.starts_with('[') {
        let (inside, rest) = text.split_once(']').ok_or(AddressError::NeedsBrackets)?;
        let port = rest.strip_prefix(':').ok_or(AddressError::NoPort)?;
        return Ok((&text[..=inside.len()], port));
    }
    let (host, port) = text.rsplit_once(':').ok_or(AddressError::NoPort)?;
    if host.contains(':') {
        return Err(AddressError::NeedsBrackets);
    }
    Ok((host, port))
}

pub(super) fn host_of(text: &str) -> Result<Host, AddressError> {
    if let Some(inside) = text.strip_prefix('[') {
        let inside = inside.trim_end_matches(']');
        let address: Ipv6Addr = inside
            .parse()
            .map_err(|_| AddressError::NotIpv6(inside.to_owned()))?;
        return Ok(Host::Ip(address.into()));
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Ok(Host::Ip(address.into()));
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let looks_numeric = name
        .rsplit('.')
        .next()
        .is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    if looks_numeric || name.len() > 253 || !name.split('.').all(is_name_label) {
        return Err(AddressError::BadHost(text.to_owned()));
    }
    Ok(Host::Name(text.to_owned()))
}

/// Underscores are allowed: container networks have names with them.
fn is_name_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests;
