//! What the tailnet says of its nodes: who an address is, how peers are now.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use serde::Deserialize;

use super::message::{NodeInfo, address_or_none, text_or_none, time_or_none};

/// Who has an address of the tailnet.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct WhoIs {
    /// The node's name: the first label of its DNS name.
    pub name: String,
    /// Its MagicDNS name, without the final dot.
    pub dns_name: String,
    /// The login name of its owner; `None` for a tagged node.
    #[serde(deserialize_with = "text_or_none")]
    pub login: Option<String>,
    /// What its owner is called; `None` for a tagged node.
    #[serde(deserialize_with = "text_or_none")]
    pub display_name: Option<String>,
    /// Its tags, such as `tag:server`.
    pub tags: Vec<String>,
    /// Its addresses on the tailnet.
    pub addresses: Vec<IpAddr>,
    /// What the tailnet's rules grant it towards this node, for applications:
    /// the values of each capability.
    pub capabilities: BTreeMap<String, Vec<serde_json::Value>>,
}

/// A node and its peers at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The node itself.
    pub own: Own,
    /// Every peer, by its DNS name.
    pub peers: Vec<Peer>,
}

/// What a node knows of itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Own {
    /// The backend's state, for example `Running` or `NeedsLogin`.
    pub state: String,
    /// Who it is.
    pub node: NodeInfo,
    /// The tailnet's name; `None` before the first login.
    #[serde(deserialize_with = "text_or_none")]
    pub tailnet: Option<String>,
    /// The login name of its owner; `None` for a tagged node.
    #[serde(deserialize_with = "text_or_none")]
    pub user: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// The code of its home relay; `None` while it has none.
    #[serde(deserialize_with = "text_or_none")]
    pub relay: Option<String>,
}

/// A peer as the node sees it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Peer {
    /// Its name: the first label of its DNS name.
    pub name: String,
    /// Its MagicDNS name, without the final dot; `None` without MagicDNS.
    #[serde(deserialize_with = "text_or_none")]
    pub dns_name: Option<String>,
    /// Its addresses on the tailnet.
    pub addresses: Vec<IpAddr>,
    /// Whether the control server has a connection from it.
    pub online: bool,
    /// The login name of its owner; `None` for a tagged node.
    #[serde(deserialize_with = "text_or_none")]
    pub user: Option<String>,
    /// When it was last online; `None` while it is, or when nobody knows.
    #[serde(deserialize_with = "time_or_none")]
    pub last_seen: Option<SystemTime>,
    /// The code of its home relay.
    #[serde(deserialize_with = "text_or_none")]
    pub relay: Option<String>,
    /// Where it is reached without a relay; `None` when it is not, or not in use.
    #[serde(deserialize_with = "address_or_none")]
    pub direct: Option<SocketAddr>,
    /// The node of the tailnet that relays to it; `None` when none does.
    #[serde(deserialize_with = "text_or_none")]
    pub peer_relay: Option<String>,
    /// Whether something was sent to it within the last 45 s.
    pub active: bool,
    /// Its tags.
    pub tags: Vec<String>,
    /// Whether its key has expired.
    pub expired: bool,
    /// Bytes received from it since the start.
    pub rx_bytes: u64,
    /// Bytes sent to it since the start.
    pub tx_bytes: u64,
}

/// A peer's sign of life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pong {
    /// From the ping to its answer.
    pub latency: Duration,
    /// Which way they went.
    pub path: PeerPath,
}

/// The way between two nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerPath {
    /// Straight to this address.
    Direct(SocketAddr),
    /// Over the DERP relay of the region with this code.
    Relay(String),
    /// Over another node of the tailnet that relays; its address and the number
    /// of the relayed network.
    PeerRelay(String),
}
