//! What `/status` answers: one value, written by the program and read by `tailport status`.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::node_status::{NodeStatus, Remark};
use super::time;
use crate::telemetry::metrics::{Ended, Snapshot};
use crate::telemetry::recent::Past;
use crate::telemetry::registry::ForwardSnapshot;

/// Everything that there is to see.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The program's version.
    pub version: String,
    /// Whether connections can be carried now.
    pub ready: bool,
    /// Why not; empty when they can.
    pub reasons: Vec<Remark>,
    /// Since the start, in seconds.
    pub uptime_seconds: u64,
    /// The node.
    pub node: NodeStatus,
    /// All connections together.
    pub connections: Connections,
    /// Each forward.
    pub forwards: Vec<ForwardReport>,
    /// The connections that ended last, the newest first.
    pub recent: Vec<RecentReport>,
}

/// All connections together.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Connections {
    /// Open now.
    pub active: u64,
    /// UDP flows among those.
    #[serde(default)]
    pub flows: u64,
    /// How many may be open.
    pub limit: u64,
    /// Accepted since the start.
    pub accepted: u64,
    /// Closed at once since the start, for want of a place or a descriptor.
    pub refused: u64,
    /// Ended since the start because their peers were not let in.
    #[serde(default)]
    pub denied: u64,
}

/// One forward.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ForwardReport {
    /// Its name, as in the log.
    pub name: String,
    /// Where it leads.
    pub target: String,
    /// Connections open now.
    pub active: u64,
    /// Connections accepted since the start.
    pub accepted: u64,
    /// Connections refused since the start.
    pub refused: u64,
    /// Connections ended since the start because their peers were not let in.
    #[serde(default)]
    pub denied: u64,
    /// Dials that failed since the start.
    pub dial_failed: u64,
    /// Bytes delivered to the target since the start.
    pub to_target_bytes: u64,
    /// Bytes delivered to peers since the start.
    pub to_peer_bytes: u64,
}

/// A connection that has ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecentReport {
    /// When it ended.
    #[serde(with = "time")]
    pub at: SystemTime,
    /// The forward's name.
    pub forward: String,
    /// Where it came from.
    pub peer: String,
    /// Who that is on the tailnet, when it is known.
    pub who: Option<String>,
    /// Where it was led.
    pub target: String,
    /// Bytes delivered to the target.
    pub to_target_bytes: u64,
    /// Bytes delivered to the peer.
    pub to_peer_bytes: u64,
    /// How long it lasted, in milliseconds.
    pub duration_ms: u64,
    /// How it ended, as in the log.
    pub ended: String,
}

impl Connections {
    pub(super) fn new(total: &Snapshot, limit: u64) -> Self {
        Self {
            active: total.active,
            flows: total.flows,
            limit,
            accepted: total.accepted,
            refused: total.refused,
            denied: total.ended(Ended::Denied),
        }
    }
}

impl From<ForwardSnapshot> for ForwardReport {
    fn from(forward: ForwardSnapshot) -> Self {
        let counts = forward.counts;
        Self {
            name: forward.name,
            target: forward.target,
            active: counts.active,
            accepted: counts.accepted,
            refused: counts.refused,
            denied: counts.ended(Ended::Denied),
            dial_failed: counts.ended(Ended::DialFailed),
            to_target_bytes: counts.to_target,
            to_peer_bytes: counts.to_peer,
        }
    }
}

impl From<Past> for RecentReport {
    fn from(past: Past) -> Self {
        Self {
            at: past.at,
            forward: past.forward,
            peer: past.peer,
            who: past.who,
            target: past.target,
            to_target_bytes: past.to_target,
            to_peer_bytes: past.to_peer,
            duration_ms: milliseconds(past.duration),
            ended: past.ended.as_str().to_owned(),
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
