//! What can be asked of the running program besides looking at it: one small trait, whose
//! every question is answered "not here" unless somebody answers it.

use std::future::{Future, ready};
use std::net::IpAddr;
use std::pin::Pin;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::time;

/// An answer under way.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Refusal>> + Send + 'a>>;

/// The questions. Dropping an answer gives the question up.
pub trait Operations: Send + Sync + 'static {
    /// What is alive in the Go half, or `None` when it does not say. Immediate.
    fn library(&self) -> Option<LibraryCounts> {
        None
    }

    /// By which ways the peers are reached, known to a moment and told within about a second.
    fn paths(&self) -> Answer<'_, PathCounts> {
        not_here()
    }

    /// The peers of the node.
    fn peers(&self) -> Answer<'_, Vec<Peer>> {
        not_here()
    }

    /// One probe to a peer, by name or address.
    fn ping<'a>(&'a self, _host: &'a str) -> Answer<'a, Pong> {
        not_here()
    }

    /// Reads the configuration again; the answer says what changed, one line each.
    fn reload(&self) -> Answer<'_, Vec<String>> {
        not_here()
    }

    /// Takes the node off its tailnet. The program ends after it.
    fn logout(&self) -> Answer<'_, ()> {
        not_here()
    }
}

fn not_here<'a, T: Send + 'a>() -> Answer<'a, T> {
    Box::pin(ready(Err(Refusal::NotHere)))
}

/// Why a question is not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// This program does not answer it.
    #[error("this version of tailport cannot do that")]
    NotHere,
    /// What was asked for makes no sense; the text says what to do.
    #[error("{0}")]
    Bad(String),
    /// There is no answer now; another try can have one.
    #[error("{0}")]
    NotNow(String),
    /// It failed.
    #[error("{0}")]
    Failed(String),
}

/// What is alive in the Go half.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LibraryCounts {
    /// Goroutines.
    pub goroutines: u64,
    /// Threads that its runtime has made.
    pub threads: u64,
    /// Connections that have not finished.
    pub connections: u64,
    /// Connections kept only until the peer has acknowledged.
    pub lingering: u64,
    /// Mailboxes that are open.
    pub mailboxes: u64,
    /// Log lines lost since the start.
    pub dropped_log_lines: u64,
    /// Memory that its runtime holds of the system, in bytes.
    pub memory: u64,
}

/// Peers of the node by the way that leads to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathCounts {
    /// In use, straight over the underlay.
    pub direct: u64,
    /// In use, over a DERP relay, or not known yet to be reached in another way.
    pub relay: u64,
    /// In use, over another node of the tailnet that relays.
    pub peer_relay: u64,
    /// Not in use.
    pub idle: u64,
}

/// A peer of the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its name, the first label of its MagicDNS name.
    pub name: String,
    /// Its MagicDNS name.
    pub dns_name: Option<String>,
    /// Its addresses on the tailnet.
    pub addresses: Vec<IpAddr>,
    /// Whether the control server sees it online.
    pub online: bool,
    /// Whose it is, by login name; `None` when it is tagged.
    pub user: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// When it was seen last; `None` while it is online, or never.
    #[serde(with = "time::optional")]
    pub last_seen: Option<SystemTime>,
}

impl Peer {
    /// Whether a person who writes `host` means this peer: its name, its MagicDNS name or one
    /// of its addresses.
    pub fn is_meant_by(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.');
        let name = |name: &str| name.eq_ignore_ascii_case(host);
        let address = host.parse::<IpAddr>();
        name(&self.name)
            || self.dns_name.as_deref().is_some_and(name)
            || address.is_ok_and(|address| self.addresses.contains(&address))
    }
}

/// A probe's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pong {
    /// The peer's name.
    pub name: String,
    /// The address that was asked.
    pub address: IpAddr,
    /// There and back, in milliseconds.
    pub milliseconds: f64,
    /// The way it took, for people: an address of the underlay, or a relay.
    pub via: String,
    /// Whether that way is direct.
    pub direct: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_meant_by_its_names_and_addresses() {
        let peer = Peer {
            name: "rdp-host".to_owned(),
            dns_name: Some("rdp-host.tail.example".to_owned()),
            addresses: vec!["fd7a::9".parse().unwrap()],
            online: true,
            user: None,
            tags: Vec::new(),
            last_seen: None,
        };
        for host in ["rdp-host", "RDP-Host.tail.example.", "fd7a:0::9"] {
            assert!(peer.is_meant_by(host), "{host}");
        }
        for host in ["", ".", "rdp", "rdp-host.tail", "fd7a::90"] {
            assert!(!peer.is_meant_by(host), "{host}");
        }
    }
}
