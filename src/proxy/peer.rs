//! Who connects.

use std::{fmt, net::SocketAddr};

/// The other end of a connection that has arrived. Its `Display` is the `peer` of
/// the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Peer {
    /// An address with its port.
    Address(SocketAddr),
    /// A process of this machine that came by a unix socket, which has no address;
    /// its user, where the kernel says so.
    Unix {
        /// The user's number.
        uid: Option<u32>,
    },
}

impl Peer {
    /// The address, if it has one. An IPv4 address that came in IPv6's clothes, as
    /// a listener for both shows it, is told as what it is.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Address(address) => {
                Some(SocketAddr::new(address.ip().to_canonical(), address.port()))
            }
            Self::Unix { .. } => None,
        }
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self::Address(address)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Unix { uid: Some(uid) } => write!(f, "unix:uid={uid}"),
            Self::Unix { uid: None } => f.write_str("unix"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_as_it_came_and_told_as_what_it_is() {
        let peer = Peer::from("[::ffff:10.0.0.7]:22".parse::<SocketAddr>().unwrap());
        assert_eq!(peer.to_string(), "[::ffff:10.0.0.7]:22");
        assert_eq!(peer.address(), Some("10.0.0.7:22".parse().unwrap()));
    }

    #[test]
    fn a_process_is_shown_by_its_user() {
        assert_eq!(Peer::Unix { uid: Some(7) }.to_string(), "unix:uid=7");
        assert_eq!(Peer::Unix { uid: None }.to_string(), "unix");
        assert_eq!(Peer::Unix { uid: None }.address(), None);
    }
}
