//! Where the program's own services listen: the admin endpoint and the SOCKS5 proxy, both off
//! unless they are asked for.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use super::address::AddressError;
use super::listen::{Listen, Protocol, local_address};
use super::ports::Ports;

/// The rule text of the admin endpoint.
pub(super) const ADMIN_RULE: &str =
    "off, PORT or :PORT (on 127.0.0.1), ADDRESS:PORT, or tailnet:PORT";
/// The rule text of the SOCKS5 proxy.
pub(super) const SOCKS5_RULE: &str = "off, PORT or :PORT (on 127.0.0.1), or ADDRESS:PORT";

/// What the admin endpoint's address says when it is a port of the tailnet.
const TAILNET: &str = "tailnet:";

/// Where the admin endpoint listens. Shown as it is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminAddress {
    /// An address of this machine; port 0 lets the system choose one.
    Local(SocketAddr),
    /// A port of the node on the tailnet, 1 to 65535.
    Tailnet(u16),
}

impl AdminAddress {
    /// The place that it takes.
    pub(super) fn listen(self) -> Listen {
        let protocol = Protocol::Tcp;
        match self {
            AdminAddress::Local(address) => Listen::Local { address, protocol },
            AdminAddress::Tailnet(port) => Listen::Tailnet { port, protocol },
        }
    }
}

impl fmt::Display for AdminAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AdminAddress::Local(address) => address.fmt(f),
            AdminAddress::Tailnet(port) => write!(f, "{TAILNET}{port}"),
        }
    }
}

/// The admin endpoint's address, or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AdminText(pub(super) Option<AdminAddress>);

/// The SOCKS5 proxy's address, or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Socks5Text(pub(super) Option<SocketAddr>);

impl FromStr for AdminText {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let address = match text.strip_prefix(TAILNET) {
            Some(port) => Some(AdminAddress::Tailnet(one(port.parse()?)?)),
            None => local_or_off(text)?.map(AdminAddress::Local),
        };
        Ok(AdminText(address))
    }
}

impl FromStr for Socks5Text {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        local_or_off(text).map(Socks5Text)
    }
}

fn local_or_off(text: &str) -> Result<Option<SocketAddr>, AddressError> {
    if text == "off" {
        return Ok(None);
    }
    let (address, port) = local_address(text)?;
    let port = match port {
        "0" => 0,
        port => one(port.parse()?)?,
    };
    Ok(Some(SocketAddr::new(address, port)))
}

/// The port, when it is no range.
fn one(ports: Ports) -> Result<u16, AddressError> {
    let mut each = ports.each();
    match (each.next(), each.next()) {
        (Some(port), None) => Ok(port),
        _ => Err(AddressError::Range),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admin(text: &str) -> Result<Option<String>, AddressError> {
        let AdminText(address) = text.parse()?;
        Ok(address.map(|address| address.to_string()))
    }

    #[test]
    fn a_service_is_off_or_on_loopback_unless_written_out() {
        assert_eq!(admin("off"), Ok(None));
        for text in ["9090", ":9090", "localhost:9090", "127.0.0.1:9090"] {
            assert_eq!(admin(text), Ok(Some("127.0.0.1:9090".into())), "{text}");
            let Socks5Text(address) = text.parse().unwrap();
            assert_eq!(address.unwrap().to_string(), "127.0.0.1:9090");
        }
        for text in ["0.0.0.0:9090", "[::1]:0", "tailnet:9090"] {
            assert_eq!(admin(text).unwrap().as_deref(), Some(text));
        }
        assert_eq!("off".parse(), Ok(Socks5Text(None)));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "on",
            "Off",
            "host:80",
            "tailnet:",
            "tailnet:0",
            "tailnet::80",
            "80-81",
            "80/udp",
            "tailnet:80-81",
            "65536",
        ] {
            assert!(admin(text).is_err(), "{text:?}");
        }
        assert!("tailnet:80".parse::<Socks5Text>().is_err());
    }
}
