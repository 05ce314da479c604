//! Ports and addresses as forwards name them: a target to dial, a port of the tailnet, a local
//! listening address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

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
    /// A form that the configuration knows and this version does not.
    #[error("{0} is not supported by this version: TCP only")]
    NotSupported(&'static str),
}

/// What a forward dials: an IP address or a name, and a port. Shown as `HOST:PORT`, IPv6 in
/// brackets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    host: Host,
    port: u16,
}

/// The host of a [`Target`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A literal address.
    Ip(IpAddr),
    /// A name, resolved when a connection is made.
    Name(String),
}

impl Target {
    /// The target with this host and port.
    pub fn new(host: Host, port: u16) -> Self {
        Target { host, port }
    }

    /// The same port on this machine, over IPv4.
    pub fn loopback(port: u16) -> Self {
        Target::new(Host::Ip(Ipv4Addr::LOCALHOST.into()), port)
    }

    /// The address or name.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port, 1 to 65535.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is this machine for certain: a loopback address or `localhost`.
    pub fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Ip(address) => address.to_canonical().is_loopback(),
            Host::Name(name) => name.trim_end_matches('.').eq_ignore_ascii_case("localhost"),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(address) => SocketAddr::new(*address, self.port).fmt(f),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

impl FromStr for Target {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.starts_with("unix:") {
            return Err(AddressError::NotSupported("a unix: target"));
        }
        let (host, port) = split(text)?;
        if host.is_empty() {
            return Err(AddressError::NoHost);
        }
        Ok(Target::new(host_of(host)?, port_of(port)?))
    }
}

/// A port to listen on in the tailnet: `22`, `:22` or `22/tcp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TailnetPort(pub u16);

impl FromStr for TailnetPort {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.strip_prefix(':').unwrap_or(text);
        let port = match text.split_once('/') {
            None | Some((_, "tcp")) => text.strip_suffix("/tcp").unwrap_or(text),
            Some((_, "udp")) => return Err(AddressError::NotSupported("/udp")),
            Some((_, "tls")) => return Err(AddressError::NotSupported("/tls")),
            Some(_) => return Err(AddressError::PortNotANumber(text.to_owned())),
        };
        port_of(port).map(TailnetPort)
    }
}

/// An address of this machine to listen on: `PORT`, `:PORT`, `localhost:PORT` (all three the IPv4
/// loopback) or `ADDRESS:PORT`. Another address than loopback only when it is written out,
/// `0.0.0.0:3389`. Port 0 lets the system choose one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalAddress(pub SocketAddr);

impl FromStr for LocalAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (host, port) = match text.contains(':') {
            true => split(text)?,
            false => ("", text),
        };
        let address = match host {
            "" => Ipv4Addr::LOCALHOST.into(),
            name if name.eq_ignore_ascii_case("localhost") => Ipv4Addr::LOCALHOST.into(),
            literal => match host_of(literal)? {
                Host::Ip(address) => address,
                Host::Name(name) => return Err(AddressError::NotLocal(name)),
            },
        };
        let port = if port == "0" { 0 } else { port_of(port)? };
        Ok(LocalAddress(SocketAddr::new(address, port)))
    }
}

/// Splits `HOST:PORT`; the brackets of an IPv6 address stay with the host.
fn split(text: &str) -> Result<(&str, &str), AddressError> {
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

fn host_of(text: &str) -> Result<Host, AddressError> {
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

fn port_of(text: &str) -> Result<u16, AddressError> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(AddressError::PortNotANumber(text.to_owned()));
    }
    match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(AddressError::PortOutOfRange(text.to_owned())),
    }
}

#[cfg(test)]
mod tests;
