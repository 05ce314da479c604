//! Who may come in by an expose: the entries of its allow list, and whether one fits a peer.
//!
//! The list only takes away: what the tailnet's own rules forbid never gets here.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::tags::Tag;

/// Who a connection comes from, as the tailnet knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The login name of the node's user. A tagged node has none.
    pub user: Option<String>,
    /// The node's tags, with `tag:` in front.
    pub tags: Vec<String>,
    /// The node's full MagicDNS name.
    pub node: String,
    /// The MagicDNS domain of this tailnet. A node that is shared from another tailnet may have
    /// any name in that one, so a bare name stands for a node of this domain only.
    pub domain: String,
    /// The address that the connection comes from.
    pub address: IpAddr,
    /// The application capabilities that the tailnet's rules grant it here.
    pub capabilities: Vec<String>,
}

/// One entry of an allow list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allow {
    /// A user's login name, such as `alice@example.com`.
    User(String),
    /// Every user of a domain, `*@example.com`; without the `*@`.
    Domain(String),
    /// Every node with a tag.
    Tag(Tag),
    /// A node: its bare name in this tailnet, or its full name.
    Node(String),
    /// Every address that has these first bits.
    Network(Network),
    /// Every peer with an application capability; without the `cap:`.
    Capability(String),
}

/// A range of addresses: one, or all with the same first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// Why a text is no entry of an allow list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AllowError {
    /// `*` alone.
    #[error("would allow everyone: leave the list out for that")]
    Everyone,
    /// A user without a name, or with strange characters.
    #[error("is no login name")]
    User,
    /// No tag after `tag:`.
    #[error("is no tag")]
    Tag,
    /// Nothing like `example.com/cap/x` after `cap:`.
    #[error("is no application capability: write cap:DOMAIN/NAME")]
    Capability,
    /// A range of addresses whose length is wrong.
    #[error("is no range of addresses")]
    Network,
    /// A range of addresses that does not begin where it says.
    #[error("has bits behind its prefix: write {0}")]
    HostBits(Network),
    /// None of the forms.
    #[error("is no user, tag, node, address or capability")]
    Unknown,
}

impl Allow {
    /// The rule text.
    pub(super) const RULE: &str = "USER@DOMAIN, *@DOMAIN, tag:NAME, a node's name, an address, a \
                                   range such as 100.64.0.0/10, or cap:DOMAIN/NAME";

    /// Whether the entry lets this peer in.
    pub fn matches(&self, peer: &Identity) -> bool {
        // The control server reports a made-up user for tagged nodes.
        let user = peer.user.as_deref().filter(|_| peer.tags.is_empty());
        match self {
            Allow::User(name) => user.is_some_and(|user| same_user(name, user)),
            Allow::Domain(domain) => user
                .and_then(|user| user.rsplit_once('@'))
                .is_some_and(|(_, of)| of.eq_ignore_ascii_case(domain)),
            Allow::Tag(tag) => peer.tags.iter().any(|one| one == tag.as_str()),
            Allow::Node(name) => is_node(name, peer),
            Allow::Network(network) => network.contains(peer.address),
            Allow::Capability(name) => peer.capabilities.contains(name),
        }
    }
}

/// A user whom the control server knows without a domain is written `alice@`.
fn same_user(name: &str, user: &str) -> bool {
    user.eq_ignore_ascii_case(name)
        || name
            .strip_suffix('@')
            .is_some_and(|bare| user.eq_ignore_ascii_case(bare))
}

fn is_node(name: &str, peer: &Identity) -> bool {
    let node = peer.node.trim_end_matches('.');
    let domain = peer.domain.trim_matches('.');
    if name.contains('.') {
        return node.eq_ignore_ascii_case(name);
    }
    node.split_once('.').is_some_and(|(label, of)| {
        label.eq_ignore_ascii_case(name) && of.eq_ignore_ascii_case(domain)
    })
}

impl FromStr for Allow {
    type Err = AllowError;

    fn from_str(text: &str) -> Result<Self, AllowError> {
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        if text == "*" {
            return Err(AllowError::Everyone);
        }
        if text.starts_with("tag:") {
            return text.parse().map(Allow::Tag).map_err(|_| AllowError::Tag);
        }
        if let Some(name) = text.strip_prefix("cap:") {
            let parts = name.split_once('/');
            let good = parts.is_some_and(|(domain, rest)| is_name(domain) && plain(rest));
            return match good && name.len() <= 255 {
                true => Ok(Allow::Capability(name.to_owned())),
                false => Err(AllowError::Capability),
            };
        }
        if let Some((name, domain)) = text.rsplit_once('@') {
            let good = text.len() <= 255 && plain(name) && (domain.is_empty() || is_name(domain));
            return match name {
                "*" if good && !domain.is_empty() => Ok(Allow::Domain(domain.to_owned())),
                _ if good && !name.contains('*') => Ok(Allow::User(text.to_owned())),
                _ => Err(AllowError::User),
            };
        }
        if let Some((address, bits)) = text.split_once('/') {
            let address: IpAddr = address.parse().map_err(|_| AllowError::Network)?;
            let digits = bits.bytes().all(|b| b.is_ascii_digit());
            let bits = bits.parse().ok().filter(|_| digits);
            return Network::new(address, bits.ok_or(AllowError::Network)?).map(Allow::Network);
        }
        if let Ok(address) = text.parse::<IpAddr>().map(|address| address.to_canonical()) {
            let bits = if address.is_ipv4() { 32 } else { 128 };
            return Network::new(address, bits).map(Allow::Network);
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let last = name.rsplit('.').next().unwrap_or_default();
        match is_name(name) && !last.bytes().all(|b| b.is_ascii_digit()) {
            true => Ok(Allow::Node(name.to_owned())),
            false => Err(AllowError::Unknown),
        }
    }
}

/// Whether it is a DNS name.
fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// The form that reads back.
impl fmt::Display for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Allow::User(name) | Allow::Node(name) => f.write_str(name),
            Allow::Domain(domain) => write!(f, "*@{domain}"),
            Allow::Tag(tag) => f.write_str(tag.as_str()),
            Allow::Network(network) => network.fmt(f),
            Allow::Capability(name) => write!(f, "cap:{name}"),
        }
    }
}

impl Network {
    fn new(address: IpAddr, bits: u8) -> Result<Network, AllowError> {
        if bits > if address.is_ipv4() { 32 } else { 128 } {
            return Err(AllowError::Network);
        }
        let network = Network {
            address: first_bits(address, bits),
            bits,
        };
        match network.address == address {
            true => Ok(network),
            false => Err(AllowError::HostBits(network)),
        }
    }

    /// Whether the address is one of it. An IPv4 address in IPv6 clothes is the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4()
            && first_bits(address, self.bits) == self.address
    }
}

/// The address with all bits behind the first ones zero.
fn first_bits(address: IpAddr, bits: u8) -> IpAddr {
    let bits = u32::from(bits);
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

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.address, self.bits) {
            (IpAddr::V4(address), 32) => address.fmt(f),
            (IpAddr::V6(address), 128) => address.fmt(f),
            (address, bits) => write!(f, "{address}/{bits}"),
        }
    }
}

#[cfg(test)]
mod tests;
