//! The side of a forward that listens: a port of the tailnet or of a service on it, an address of
//! this machine, or a Unix socket.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use super::address::{AddressError, Host, host_of, split};
use super::ports::Ports;
use super::service_name::{self, ServiceName};
use super::socket_path::{PREFIX, SocketPath};

/// What a forward carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// A TCP connection, or one to a Unix socket, as it is.
    #[default]
    Tcp,
    /// Datagrams.
    Udp,
    /// TLS on the tailnet's side, ended by the node; plain TCP on the other.
    Tls,
}

impl Protocol {
    /// The rule text.
    pub(super) const RULE: &str = "tcp, udp or tls";

    /// `tcp`, `udp` or `tls`.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Tls => "tls",
        }
    }

    /// Whether both need the same ports of a host.
    fn shares_ports_with(self, other: Protocol) -> bool {
        (self == Protocol::Udp) == (other == Protocol::Udp)
    }
}

impl FromStr for Protocol {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        match text {
            "tcp" => Ok(Protocol::Tcp),
            "udp" => Ok(Protocol::Udp),
            "tls" => Ok(Protocol::Tls),
            _ => Err(AddressError::BadProtocol(text.to_owned())),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where connections, or datagrams, come in. Shown as `22/tcp`, `53/udp`, `443/tls` or
/// `svc:web:443` on the tailnet, `127.0.0.1:33389`, `127.0.0.1:53/udp` or `unix:/PATH` on this
/// machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Listen {
    /// A port of the node on the tailnet: an expose.
    Tailnet {
        /// 1 to 65535.
        port: u16,
        /// What comes in there.
        protocol: Protocol,
    },
    /// A TCP port of a Tailscale Service that the node hosts: an expose.
    Service {
        /// Whose addresses it listens on.
        service: ServiceName,
        /// 1 to 65535.
        port: u16,
    },
    /// An address of this machine: a connect.
    Local {
        /// Port 0 lets the system choose one.
        address: SocketAddr,
        /// What comes in there; never TLS.
        protocol: Protocol,
    },
    /// A Unix socket of this machine: a connect.
    Unix(SocketPath),
}

impl Listen {
    /// What comes in there.
    pub fn protocol(&self) -> Protocol {
        match self {
            Listen::Tailnet { protocol, .. } | Listen::Local { protocol, .. } => *protocol,
            Listen::Service { .. } | Listen::Unix(_) => Protocol::Tcp,
        }
    }

    /// Whether both want one place, so that the second could not have it.
    pub fn collides_with(&self, other: &Listen) -> bool {
        if !self.protocol().shares_ports_with(other.protocol()) {
            return false;
        }
        match (self, other) {
            (Listen::Tailnet { port: a, .. }, Listen::Tailnet { port: b, .. }) => a == b,
            (Listen::Local { address: a, .. }, Listen::Local { address: b, .. }) => {
                let covers = |a: &SocketAddr, b: &SocketAddr| {
                    a.ip().is_unspecified() && (a.is_ipv6() || b.is_ipv4())
                };
                a.port() == b.port()
                    && a.port() != 0
                    && (a.ip() == b.ip() || covers(a, b) || covers(b, a))
            }
            (Listen::Service { .. }, Listen::Service { .. }) => self == other,
            (Listen::Unix(a), Listen::Unix(b)) => a == b,
            _ => false,
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tailnet { port, protocol } => write!(f, "{port}/{protocol}"),
            Listen::Service { service, port } => write!(f, "{service}:{port}"),
            Listen::Local {
                address,
                protocol: Protocol::Tcp,
            } => address.fmt(f),
            Listen::Local { address, protocol } => write!(f, "{address}/{protocol}"),
            Listen::Unix(path) => path.fmt(f),
        }
    }
}

/// A listening side as it is written: the ports may be a range, and the protocol may be said
/// elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ListenText {
    /// Ports of the tailnet.
    Tailnet(Ports, Option<Protocol>),
    /// Ports of a service.
    Service(ServiceName, Ports, Option<Protocol>),
    /// Ports of an address of this machine.
    Local(IpAddr, Ports, Option<Protocol>),
    /// A Unix socket of this machine.
    Unix(SocketPath),
}

/// The listening side of an expose: `22`, `:22`, `9000-9010`, `22/tcp`, `53/udp`, `443/tls`, or
/// `svc:web:443` for a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TailnetText(pub(super) ListenText);

impl FromStr for TailnetText {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (ports, protocol) = without_protocol(text.strip_prefix(':').unwrap_or(text))?;
        if text.starts_with(service_name::PREFIX) {
            let (service, ports) = ports.rsplit_once(':').unwrap_or_default();
            let listen = ListenText::Service(service.parse()?, ports.parse()?, protocol);
            return Ok(TailnetText(listen));
        }
        Ok(TailnetText(ListenText::Tailnet(ports.parse()?, protocol)))
    }
}

/// The listening side of a connect: `PORT`, `:PORT` or `localhost:PORT` (all three the IPv4
/// loopback), `ADDRESS:PORT`, each with ranges and `/udp`, or `unix:/PATH`. Another address than
/// loopback only when it is written out, `0.0.0.0:3389`. Port 0 lets the system choose one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LocalText(pub(super) ListenText);

impl FromStr for LocalText {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix(PREFIX) {
            return Ok(LocalText(ListenText::Unix(path.parse()?)));
        }
        let (text, protocol) = without_protocol(text)?;
        let (address, ports) = local_address(text)?;
        let ports = match ports {
            "0" => Ports::CHOSEN,
            ports => ports.parse()?,
        };
        Ok(LocalText(ListenText::Local(address, ports, protocol)))
    }
}

/// Splits `PORT`, `:PORT` or `ADDRESS:PORT` of this machine; the address is the IPv4 loopback
/// unless it is written out.
pub(super) fn local_address(text: &str) -> Result<(IpAddr, &str), AddressError> {
    let (host, ports) = match text.contains(':') {
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
    Ok((address, ports))
}

fn without_protocol(text: &str) -> Result<(&str, Option<Protocol>), AddressError> {
    match text.split_once('/') {
        Some((text, protocol)) => Ok((text, Some(protocol.parse()?))),
        None => Ok((text, None)),
    }
}

#[cfg(test)]
mod tests;
