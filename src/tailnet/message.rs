//! The messages of each mailbox, as `vendor/libtailscale/MESSAGES.md` lists them.
//!
//! Keys that are not named here are ignored; a type that is not is an error.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::SystemTime;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

use super::certificate::Certificate;
use super::connection::ConnectionId;
use super::error::Failure;
use super::parted::Ended;
use super::peer::{Own, Peer, WhoIs};

/// The messages of one mailbox.
pub(crate) trait Message: DeserializeOwned {
    /// The mailbox, as the table and the errors name it.
    const MAILBOX: &'static str;
    /// Every type the mailbox may carry.
    const TYPES: &'static [&'static str];
}

macro_rules! mailbox {
    ($message:ty, $name:literal, [$($kind:literal),+]) => {
        impl Message for $message {
            const MAILBOX: &'static str = $name;
            const TYPES: &'static [&'static str] = &[$($kind),+];
        }
    };
}

mailbox!(
    Start,
    "start",
    ["state", "login", "waiting", "running", "error"]
);
mailbox!(
    Watch,
    "watch",
    ["state", "login", "node", "health", "peers", "error"]
);
mailbox!(Listen, "listen", ["listening", "accepted", "error"]);
mailbox!(Partings, "partings", ["parted"]);
mailbox!(Dial, "dial", ["dialed", "error"]);
mailbox!(WhoIsAnswer, "whois", ["whois", "error"]);
mailbox!(StatusAnswer, "status", ["own", "peer", "complete", "error"]);
mailbox!(Ping, "ping", ["pong", "error"]);
mailbox!(Flush, "flush", ["flushed"]);
mailbox!(CertificateAnswer, "certificate", ["certificate", "error"]);
mailbox!(Logout, "logout", ["logged_out", "error"]);
mailbox!(Close, "close", ["closed"]);
mailbox!(Log, "logs", ["log"]);

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Start {
    State { state: String },
    Login { url: String },
    Waiting { detail: String },
    Running { node: NodeInfo },
    Error(Failure),
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Watch {
    State { state: String },
    Login { url: String },
    Node { node: NodeInfo },
    Health { warnings: Vec<Warning> },
    Peers,
    Error(Failure),
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Listen {
    Listening { address: String },
    Accepted(Announced),
    Error(Failure),
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Partings {
    Parted(Parting),
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Dial {
    Dialed(Announced),
    Error(Failure),
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum WhoIsAnswer {
    Whois(WhoIs),
    Error(Failure),
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum StatusAnswer {
    Own(Own),
    Peer(Peer),
    Complete { peers: usize },
    Error(Failure),
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Ping {
    Pong {
        latency_us: u64,
        #[serde(deserialize_with = "address_or_none")]
        direct: Option<SocketAddr>,
        relay: String,
        peer_relay: String,
    },
    Error(Failure),
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Flush {
    Flushed(Flushed),
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum CertificateAnswer {
    Certificate(Certificate),
    Error(Failure),
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Logout {
    LoggedOut,
    Error(Failure),
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Close {
    Closed(Closed),
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Log {
    Log(LogLine),
}

/// A connection that waits to be claimed.
#[derive(Debug, PartialEq, Deserialize)]
pub(crate) struct Announced {
    pub(crate) id: ConnectionId,
    pub(crate) remote: SocketAddr,
    pub(crate) local: SocketAddr,
}

/// The end of a connection's junction.
#[derive(Debug, PartialEq, Deserialize)]
pub(crate) struct Parting {
    pub(crate) id: ConnectionId,
    /// The clean ends that were passed on, in their order.
    pub(crate) ended: Vec<Ended>,
    /// The errno that who read the socket was told, or 0.
    pub(crate) reading: i32,
    /// The errno that who wrote it was told, or 0.
    pub(crate) writing: i32,
    pub(crate) incoming: u64,
    pub(crate) outgoing: u64,
}

impl Parting {
    /// Whether both directions came to their ends: the socket is closed, and the id retired.
    pub(crate) fn is_over(&self) -> bool {
        [Ended::Incoming, Ended::Outgoing]
            .iter()
            .all(|direction| self.ended.contains(direction))
    }
}

/// Who the node is on its tailnet.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct NodeInfo {
    /// The name it was given, without a domain.
    pub hostname: String,
    /// Its MagicDNS name, without the final dot; `None` without MagicDNS.
    #[serde(deserialize_with = "text_or_none")]
    pub dns_name: Option<String>,
    /// Its addresses on the tailnet.
    pub addresses: Vec<IpAddr>,
    /// When its key expires; `None` when it does not.
    #[serde(deserialize_with = "time_or_none")]
    pub key_expiry: Option<SystemTime>,
    /// Whether the key has expired.
    pub expired: bool,
    /// The names that it can have certificates for; empty when the tailnet offers
    /// none.
    pub cert_domains: Vec<String>,
    /// The Tailscale Services that it hosts now, with the addresses that were handed out
    /// to it: none while it is not approved as a host.
    pub services: BTreeMap<String, Vec<IpAddr>>,
}

/// Something that the node says is not well.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Warning {
    /// A short name that stays the same.
    pub code: String,
    /// What it means, for a person.
    pub text: String,
}

/// What was still unacknowledged when a flush ended; both zero when all arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Flushed {
    /// Connections with unacknowledged bytes.
    pub connections: u64,
    /// Bytes over all of them.
    pub bytes: u64,
}

/// How a node was closed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Closed {
    /// Whether an ephemeral node was logged out, and so removed, first.
    pub logged_out: bool,
    /// What was left behind because it would not end in time.
    #[serde(deserialize_with = "text_or_none")]
    pub abandoned: Option<String>,
}

/// A line that the Go half logged.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct LogLine {
    /// The line, without its end.
    pub text: String,
    /// How many lines were lost since the one before.
    pub dropped: u64,
}

pub(super) fn text_or_none<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

pub(super) fn address_or_none<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SocketAddr>, D::Error> {
    text_or_none(deserializer)?
        .map(|text| text.parse().map_err(D::Error::custom))
        .transpose()
}

pub(super) fn time_or_none<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SystemTime>, D::Error> {
    text_or_none(deserializer)?
        .map(|text| humantime::parse_rfc3339(&text).map_err(D::Error::custom))
        .transpose()
}

#[cfg(test)]
mod tests;
