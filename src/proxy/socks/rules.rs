//! Who may use a SOCKS5 listener, and where it leads: a user with a password, and
//! a list of destinations. Without either everyone may go everywhere that the
//! target leads.

use std::{fmt, net::IpAddr, str::FromStr};

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use super::super::destination::{Destination, Host};

/// What a listener asks of its clients.
#[derive(Debug, Default)]
pub struct Rules {
    /// Who may use it; without one, everyone who reaches it.
    pub login: Option<Login>,
    /// Where its clients may go; without a list, everywhere.
    pub reach: Option<Vec<Reach>>,
}

impl Rules {
    /// Whether a client may go there.
    pub(super) fn allow(&self, destination: &Destination) -> bool {
        self.reach
            .as_ref()
            .is_none_or(|list| list.iter().any(|entry| entry.holds(destination)))
    }
}

/// A user and a password. Shows neither.
pub struct Login {
    user: SecretString,
    password: SecretString,
}

/// Why a user and a password can never be said by a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoLogin {
    /// SOCKS5 has a byte for the length of each.
    #[error("a SOCKS5 user and password have 1 to 255 bytes each")]
    Length,
}

impl Login {
    /// A user and a password of 1 to 255 bytes each.
    ///
    /// # Errors
    /// When no client could say them.
    pub fn new(user: SecretString, password: SecretString) -> Result<Self, NoLogin> {
        let fits = |text: &SecretString| (1..=255).contains(&text.expose_secret().len());
        match fits(&user) && fits(&password) {
            true => Ok(Self { user, password }),
            false => Err(NoLogin::Length),
        }
    }

    /// Whether it is this user with this password. Takes the same time whatever
    /// is wrong with them.
    pub(super) fn is(&self, user: &[u8], password: &[u8]) -> bool {
        let same = |known: &SecretString, said: &[u8]| {
            padded(known.expose_secret().as_bytes()).ct_eq(&*padded(said))
        };
        (same(&self.user, user) & same(&self.password, password)).into()
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("REDACTED")
    }
}

/// At most 255 bytes, with their length, in as many bytes as any others.
fn padded(bytes: &[u8]) -> Zeroizing<[u8; 256]> {
    let mut padded = Zeroizing::new([0; 256]);
    for (to, from) in padded.iter_mut().zip(bytes.iter().take(255)) {
        *to = *from;
    }
    padded[255] = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
    padded
}

/// An entry of the list of destinations: a host or several, and perhaps one port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    /// This name.
    Name(String),
    /// Every name below this one, which is not one of them.
    Below(String),
    /// Every address that begins with these bits.
    Network { address: IpAddr, bits: u32 },
}

/// Why a text is no entry of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "is no destination: write HOST, HOST:PORT, *.SUFFIX, ADDRESS or ADDRESS/BITS, \
     an IPv6 address with a port in brackets"
)]
pub struct NoEntry;

impl Reach {
    /// Whether the entry holds the destination. A name is held by its own form
    /// only, whatever addresses it has.
    fn holds(&self, destination: &Destination) -> bool {
        self.port.is_none_or(|port| port == destination.port())
            && match (&self.hosts, destination.host()) {
                (Hosts::Name(name), Host::Name(asked)) => name == asked,
                (Hosts::Below(suffix), Host::Name(asked)) => asked
                    .strip_suffix(suffix.as_str())
                    .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
                (Hosts::Network { address, bits }, Host::Address(asked)) => {
                    address.is_ipv4() == asked.is_ipv4()
                        && first_bits(*asked, *bits) == first_bits(*address, *bits)
                }
                _ => false,
            }
    }
}

impl FromStr for Reach {
    type Err = NoEntry;

    fn from_str(text: &str) -> Result<Self, NoEntry> {
        if let Some(network) = network(text) {
            return Ok(Self {
                hosts: network,
                port: None,
            });
        }
        // No network, so that what has a colon has a port.
        let (host, port) = match text.rsplit_once(':') {
            None => (text, None),
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                (host, Some(port.parse().map_err(|_| NoEntry)?))
            }
            Some(_) => return Err(NoEntry),
        };
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .filter(|host| host.contains(':'));
        let hosts = match (bare, host.strip_prefix("*.")) {
            (Some(host), _) => network(host).ok_or(NoEntry)?,
            (None, Some(suffix)) => Hosts::Below(name(suffix)?),
            (None, None) if host.contains(':') => return Err(NoEntry),
            (None, None) => match network(host) {
                Some(network) => network,
                None => Hosts::Name(name(host)?),
            },
        };
        match port {
            Some(0) => Err(NoEntry),
            port => Ok(Self { hosts, port }),
        }
    }
}

/// An address, or the first bits of one.
fn network(text: &str) -> Option<Hosts> {
    let (address, bits) = match text.split_once('/') {
        None => (text, None),
        Some((address, bits)) => (address, Some(bits)),
    };
    let address = address.parse::<IpAddr>().ok()?.to_canonical();
    let all = if address.is_ipv4() { 32 } else { 128 };
    let bits = match bits {
        None => all,
        Some(bits) => bits
            .parse()
            .ok()
            .filter(|count| *count <= all && !bits.starts_with('+'))?,
    };
    Some(Hosts::Network { address, bits })
}

/// A name in the form that destinations have.
fn name(text: &str) -> Result<String, NoEntry> {
    let destination = Destination::named(text, 1).map_err(|_| NoEntry)?;
    match destination.host() {
        Host::Name(name) => Ok(name.clone()),
        Host::Address(_) => Err(NoEntry),
    }
}

/// The address with all bits behind the first ones zero.
fn first_bits(address: IpAddr, bits: u32) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(bits));
            IpAddr::V4((v4.to_bits() & mask.unwrap_or(0)).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(bits));
            IpAddr::V6((v6.to_bits() & mask.unwrap_or(0)).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(list: &[&str], host: &str, port: u16) -> bool {
        let reach = list.iter().map(|entry| entry.parse().unwrap()).collect();
        let rules = Rules {
            login: None,
            reach: Some(reach),
        };
        rules.allow(&Destination::named(host, port).unwrap())
    }

    #[test]
    fn a_list_allows_what_it_names_and_nothing_else() {
        let list = [
            "Box",
            "db:5432",
            "*.corp.example",
            "10.1.0.0/16",
            "100.64.0.7",
            "[fd00::7]:22",
            "fd00:8::/32",
        ];
        for (host, port) in [
            ("box", 1),
            ("BOX.", 65535),
            ("db", 5432),
            ("a.corp.example", 1),
            ("a.b.CORP.example", 1),
            ("10.1.255.255", 1),
            ("::ffff:10.1.0.1", 1),
            ("100.64.0.7", 1),
            ("fd00::7", 22),
            ("fd00:8::1", 9),
        ] {
            assert!(allows(&list, host, port), "{host} {port}");
        }
        for (host, port) in [
            ("boxer", 1),
            ("x.box", 1),
            ("db", 5433),
            ("corp.example", 1),
            ("xcorp.example", 1),
            ("10.2.0.0", 1),
            ("100.64.0.8", 1),
            ("fd00::7", 23),
            ("fd00:9::1", 9),
        ] {
            assert!(!allows(&list, host, port), "{host} {port}");
        }
        assert!(!allows(&[], "box", 1));
        assert!(allows(&["0.0.0.0/0"], "1.2.3.4", 1));
        assert!(!allows(&["0.0.0.0/0"], "::1", 1));
    }

    #[test]
    fn what_is_no_entry_says_what_is() {
        for text in [
            "",
            "*",
            "*.",
            "a b",
            "box:",
            "box:0",
            "box:65536",
            "box:x",
            ":22",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0.0/",
            "[10.0.0.1]:22",
            "[::1",
            "::1]:22",
            "a:b:22",
            "fd00::/129",
            "a/8",
        ] {
            assert_eq!(text.parse::<Reach>(), Err(NoEntry), "{text:?}");
        }
    }

    #[test]
    fn a_login_is_itself_only_and_shows_nothing() {
        let login = Login::new("user".into(), "password".into()).unwrap();
        assert!(login.is(b"user", b"password"));
        for (user, password) in [
            (&b"user"[..], &b"passwor"[..]),
            (b"user", b"password\0"),
            (b"user\0", b"password"),
            (b"User", b"password"),
            (b"password", b"user"),
            (b"", b""),
        ] {
            assert!(!login.is(user, password), "{user:?} {password:?}");
        }
        assert_eq!(format!("{login:?}"), "REDACTED");
    }

    #[test]
    fn what_no_client_can_say_is_no_login() {
        for (user, password) in [("", "p"), ("u", ""), ("u", &*"p".repeat(256))] {
            assert!(Login::new(user.into(), password.into()).is_err());
        }
        let longest = "p".repeat(255);
        let login = Login::new("u".into(), longest.clone().into()).unwrap();
        assert!(login.is(b"u", longest.as_bytes()));
    }
}
