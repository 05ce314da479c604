//! The messages of SOCKS5 (RFC 1928) and of its user and password (RFC 1929), as
//! bytes: no I/O, nothing kept.
//!
//! Each reader is given what has come of one message and says how many bytes are
//! needed to go on, so that never a byte of the next message is taken.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use thiserror::Error;

use super::super::{
    destination::{Destination, NoDestination},
    endpoint::DialErrorKind,
};

/// The longest message of a client, in bytes: a user and a password.
pub(super) const LONGEST: usize = 3 + 2 * 255;

/// The version that every message but the password's begins with.
const VERSION: u8 = 5;
/// The version that the password's message begins with.
const LOGIN_VERSION: u8 = 1;

/// What has come of a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read<T> {
    /// This many bytes in all are needed to go on; more than have come.
    Upto(usize),
    /// All of it.
    Whole(T),
}

/// Why bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum Malformed {
    #[error("the client does not speak SOCKS5: its message begins with {0:#04x}")]
    Version(u8),
    #[error("the client's message for user and password begins with {0:#04x}")]
    LoginVersion(u8),
    #[error("the client names a host by the unknown type {0}")]
    AddressType(u8),
    #[error("the client asks for no possible destination: {0}")]
    Destination(#[from] NoDestination),
}

/// The ways to say who one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// Not at all.
    None = 0,
    /// A user and a password.
    Password = 2,
}

impl Method {
    /// The answer to the client's offer.
    pub(super) fn chosen(self) -> [u8; 2] {
        [VERSION, self as u8]
    }

    /// The answer when nothing that the client offers will do.
    pub(super) const UNACCEPTABLE: [u8; 2] = [VERSION, 0xff];
}

/// What the client wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Connect,
    /// UDP ASSOCIATE.
    Associate,
    /// Whatever else there is: BIND, or a number without a name.
    Other(u8),
}

/// The answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    Succeeded = 0,
    Failure = 1,
    NotAllowed = 2,
    Unreachable = 3,
    UnknownHost = 4,
    Refused = 5,
    TimedOut = 6,
    NoSuchCommand = 7,
    NoSuchAddressType = 8,
}

impl Reply {
    /// The whole answer. The address that is bound towards the destination is of no
    /// use to a client, and left empty.
    pub(super) fn message(self) -> [u8; 10] {
        [VERSION, self as u8, 0, 1, 0, 0, 0, 0, 0, 0]
    }

    /// The whole answer to a client that is to send its datagrams to `bound`.
    pub(super) fn bound(self, bound: SocketAddr) -> Vec<u8> {
        let mut bytes = vec![VERSION, self as u8, 0];
        match bound.ip() {
            IpAddr::V4(v4) => {
                bytes.push(1);
                bytes.extend_from_slice(&v4.octets());
            }
            IpAddr::V6(v6) => {
                bytes.push(4);
                bytes.extend_from_slice(&v6.octets());
            }
        }
        bytes.extend_from_slice(&bound.port().to_be_bytes());
        bytes
    }
}

impl From<DialErrorKind> for Reply {
    fn from(kind: DialErrorKind) -> Self {
        match kind {
            DialErrorKind::Refused => Self::Refused,
            DialErrorKind::NotInTailnet => Self::NotAllowed,
            DialErrorKind::UnknownName => Self::UnknownHost,
            DialErrorKind::Unreachable => Self::Unreachable,
            DialErrorKind::TimedOut => Self::TimedOut,
            _ => Self::Failure,
        }
    }
}

impl From<Malformed> for Reply {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::AddressType(_) => Self::NoSuchAddressType,
            _ => Self::Failure,
        }
    }
}

/// The answer to a user and a password.
pub(super) fn login_answer(accepted: bool) -> [u8; 2] {
    [LOGIN_VERSION, u8::from(!accepted)]
}

/// The first message: whether the client offers the method.
pub(super) fn offers(bytes: &[u8], method: Method) -> Result<Read<bool>, Malformed> {
    version(bytes)?;
    let &[_, count, ref offered @ ..] = bytes else {
        return Ok(Read::Upto(2));
    };
    Ok(match offered.get(..usize::from(count)) {
        None => Read::Upto(2 + usize::from(count)),
        Some(offered) => Read::Whole(offered.contains(&(method as u8))),
    })
}

/// A user and a password, given to `check` where they stand.
pub(super) fn login(
    bytes: &[u8],
    check: impl FnOnce(&[u8], &[u8]) -> bool,
) -> Result<Read<bool>, Malformed> {
    if let Some(&other) = bytes.first().filter(|&&first| first != LOGIN_VERSION) {
        return Err(Malformed::LoginVersion(other));
    }
    let &[_, user_length, ref rest @ ..] = bytes else {
        return Ok(Read::Upto(2));
    };
    let user_length = usize::from(user_length);
    let Some((user, &[password_length, ref rest @ ..])) = rest.split_at_checked(user_length) else {
        return Ok(Read::Upto(2 + user_length + 1));
    };
    let password_length = usize::from(password_length);
    Ok(match rest.get(..password_length) {
        None => Read::Upto(2 + user_length + 1 + password_length),
        Some(password) => Read::Whole(check(user, password)),
    })
}

/// The request: what to do, and where to.
pub(super) fn request(bytes: &[u8]) -> Result<Read<(Command, Asked)>, Malformed> {
    /// Version, command, a reserved byte; the destination follows.
    const HEAD: usize = 3;
    version(bytes)?;
    let &[_, command, _, ref rest @ ..] = bytes else {
        // With the type of the address.
        return Ok(Read::Upto(HEAD + 1));
    };
    let (asked, _) = match destination(rest)? {
        Read::Upto(needed) => return Ok(Read::Upto(HEAD + needed)),
        Read::Whole(read) => read,
    };
    let command = match command {
        1 => Command::Connect,
        3 => Command::Associate,
        other => Command::Other(other),
    };
    Ok(Read::Whole((command, asked)))
}

/// Where a client wants to go; what is no place is the answer to a CONNECT only.
pub(super) type Asked = Result<Destination, NoDestination>;

/// A datagram of a client: where it is to go, and the length of the header before
/// its content. `None` when it is none that is carried: damaged, a fragment of
/// one, which RFC 1928 lets be dropped, or for no possible destination.
pub(super) fn datagram(bytes: &[u8]) -> Option<(Destination, usize)> {
    /// Two reserved bytes and the number of the fragment; the destination follows.
    const HEAD: usize = 3;
    let &[_, _, 0, ref rest @ ..] = bytes else {
        return None;
    };
    match destination(rest) {
        Ok(Read::Whole((Ok(asked), length))) => Some((asked, HEAD + length)),
        _ => None,
    }
}

/// A destination as requests and datagrams have it, and its length in bytes.
fn destination(bytes: &[u8]) -> Result<Read<(Asked, usize)>, Malformed> {
    let Some((&kind, rest)) = bytes.split_first() else {
        return Ok(Read::Upto(1));
    };
    let (before, length) = match (kind, rest.first()) {
        (1, _) => (0, 4),
        (4, _) => (0, 16),
        (3, Some(&length)) => (1, usize::from(length)),
        (3, None) => return Ok(Read::Upto(2)),
        (other, _) => return Err(Malformed::AddressType(other)),
    };
    let whole = 1 + before + length + 2;
    let Some((host, &[high, low, ..])) = rest
        .get(before..)
        .and_then(|rest| rest.split_at_checked(length))
    else {
        return Ok(Read::Upto(whole));
    };
    let port = u16::from_be_bytes([high, low]);
    let asked = if kind == 3 {
        std::str::from_utf8(host)
            .map_err(|_| NoDestination::Host)
            .and_then(|name| Destination::named(name, port))
    } else if let Ok(v4) = <[u8; 4]>::try_from(host) {
        Destination::at(Ipv4Addr::from(v4).into(), port)
    } else if let Ok(v6) = <[u8; 16]>::try_from(host) {
        Destination::at(Ipv6Addr::from(v6).into(), port)
    } else {
        Err(NoDestination::Host)
    };
    Ok(Read::Whole((asked, whole)))
}

fn version(bytes: &[u8]) -> Result<(), Malformed> {
    match bytes.first() {
        None | Some(&VERSION) => Ok(()),
        Some(&other) => Err(Malformed::Version(other)),
    }
}

#[cfg(test)]
mod tests;
