//! The PROXY protocol towards a target: a header before the first byte, which
//! tells it who really connects.
//!
//! Version 1 is a line of text with both addresses. Version 2 is binary and also
//! carries, as type-length-value entries of the range for custom use, what a gate
//! has found out about the peer:
//!
//! | type | value |
//! |---|---|
//! | 0xE0 | the login name of the peer's user, UTF-8 |
//! | 0xE1 | the name of the peer's node, UTF-8 |
//!
//! An entry that would be empty or longer than 255 bytes is left out. A peer
//! without an address, one of a unix socket, is announced as `PROXY UNKNOWN` in
//! version 1 and by the command LOCAL in version 2. Addresses of two families are
//! both written as IPv6 ones.
//!
//! A target must be set to expect the header, and should then take connections
//! from this machine only: whoever reaches it otherwise can claim to be anyone.
//!
//! The encoder is written out here, as it is shorter than the use of a crate would
//! save; the tests read what it writes with a parser that is not ours.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::io::AsyncWriteExt;

use super::{
    endpoint::{Dial, DialError, DialErrorKind, End, Stream},
    origin::Origin,
};

/// What a header of version 2 begins with.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2 and the commands of it.
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
/// A stream between two addresses of a family.
const UNSPECIFIED: u8 = 0x00;
const TCP_OVER_IPV4: u8 = 0x11;
const TCP_OVER_IPV6: u8 = 0x21;
/// The type of the entry with the user's login name.
pub const TLV_USER: u8 = 0xe0;
/// The type of the entry with the node's name.
pub const TLV_NODE: u8 = 0xe1;

/// A version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Text.
    One,
    /// Binary.
    Two,
}

impl Version {
    /// The header for a connection.
    pub fn header(self, origin: &Origin) -> Vec<u8> {
        match self {
            Self::One => text(origin),
            Self::Two => binary(origin),
        }
    }
}

/// A target that is told who connects, by a header before the first byte, if it
/// wants to know.
#[derive(Debug, Clone)]
pub struct Announced<D> {
    target: D,
    version: Option<Version>,
}

impl<D: Dial> Announced<D> {
    /// The target, and the version that it expects; `None` is no header.
    pub fn new(target: D, version: Option<Version>) -> Self {
        Self { target, version }
    }
}

impl<D: Dial> Dial for Announced<D> {
    type Stream = D::Stream;

    /// A header that cannot be written is a failed dial.
    async fn dial(&self, origin: &Origin, budget: Duration) -> Result<D::Stream, DialError> {
        let mut stream = self.target.dial(origin, budget).await?;
        let Some(version) = self.version else {
            return Ok(stream);
        };
        let header = version.header(origin);
        match stream.write_all(&header).await {
            Ok(()) => Ok(stream),
            Err(error) => {
                stream.reset();
                let kind = match End::of(error.kind()) {
                    End::TimedOut => DialErrorKind::TimedOut,
                    End::Clean | End::Reset => DialErrorKind::Reset,
                };
                let detail = format!("writing the PROXY header to {self}: {error}");
                Err(DialError::new(kind, detail))
            }
        }
    }
}

impl<D: Dial> fmt::Display for Announced<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.target.fmt(f)
    }
}

/// From where to where, in one family; `None` when an end has no address.
fn addresses(origin: &Origin) -> Option<(SocketAddr, SocketAddr)> {
    let (mut from, mut to) = (origin.peer.address()?, origin.local?);
    to.set_ip(to.ip().to_canonical());
    if from.is_ipv4() != to.is_ipv4() {
        for end in [&mut from, &mut to] {
            end.set_ip(as_ipv6(end.ip()).into());
        }
    }
    Some((from, to))
}

fn as_ipv6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

fn text(origin: &Origin) -> Vec<u8> {
    let Some((from, to)) = addresses(origin) else {
        return b"PROXY UNKNOWN\r\n".to_vec();
    };
    let family = if from.is_ipv4() { "TCP4" } else { "TCP6" };
    let (source, destination) = (from.ip(), to.ip());
    let (source_port, destination_port) = (from.port(), to.port());
    format!("PROXY {family} {source} {destination} {source_port} {destination_port}\r\n")
        .into_bytes()
}

fn binary(origin: &Origin) -> Vec<u8> {
    let mut body = Vec::new();
    let (command, family) = match addresses(origin) {
        None => (LOCAL, UNSPECIFIED),
        Some((from, to)) => {
            let ends = [from, to];
            for end in ends {
                match end.ip() {
                    IpAddr::V4(address) => body.extend(address.octets()),
                    IpAddr::V6(address) => body.extend(address.octets()),
                }
            }
            body.extend(ends.iter().flat_map(|end| end.port().to_be_bytes()));
            let family = if from.is_ipv4() {
                TCP_OVER_IPV4
            } else {
                TCP_OVER_IPV6
            };
            (PROXY, family)
        }
    };
    let identity = &origin.identity;
    for (kind, value) in [(TLV_USER, &identity.user), (TLV_NODE, &identity.node)] {
        if let Ok(length @ 1..) = u8::try_from(value.len()) {
            body.push(kind);
            body.extend(u16::from(length).to_be_bytes());
            body.extend(value.as_bytes());
        }
    }
    // Two addresses and two entries of at most 255 bytes: far below what 16 bits hold.
    let length = u16::try_from(body.len()).unwrap_or(u16::MAX);
    [SIGNATURE, &[command, family], &length.to_be_bytes(), &body].concat()
}
