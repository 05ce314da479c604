//! One forward: where it listens, what it dials, and how.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use super::address::Target;
use super::allow::Allow;
use super::listen::{Listen, Protocol};
use super::socket_access::SocketAccess;

/// A listening side and what each of its connections is dialed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// What the file calls it, for the log; no two have one name.
    pub name: Option<String>,
    /// Where connections come in. An expose listens on the tailnet, a connect on this machine.
    pub listen: Listen,
    /// What is dialed, by this machine for an expose and over the tailnet for a connect: at least
    /// one, tried in order. Those of a connect, and those of UDP, are no Unix sockets.
    pub targets: Vec<Target>,
    /// What may be set for one forward.
    pub options: ForwardOptions,
}

/// What may be set for one forward. Where it is not, the node's own settings hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForwardOptions {
    /// The most connections at one time, beside the cap over all forwards.
    pub max_connections: Option<NonZeroU32>,
    /// The whole dial of one connection, all targets and retries included. More than zero.
    pub dial_timeout: Option<Duration>,
    /// Silence in both directions that ends a connection; zero is never.
    pub idle_timeout: Option<Duration>,
    /// Who may come in from the tailnet, as far as its own rules let them; empty is everyone. Only
    /// an expose has it.
    pub allow: Vec<Allow>,
    /// Whether, and how, the target is told where a connection comes from. Never with UDP.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// The most connections, or flows, of one peer at one time. Only an expose has it.
    pub peer_connections: Option<NonZeroU32>,
    /// The most new connections, or flows, of one peer a second; as many may come in one moment.
    /// Only an expose has it.
    pub peer_connections_per_second: Option<NonZeroU32>,
    /// Who may open the Unix socket that a connect listens on.
    pub socket: SocketAccess,
}

/// A version of the PROXY protocol: a header in front of a connection's bytes that says where it
/// comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

impl ProxyProtocol {
    /// `v1` or `v2`.
    pub fn as_str(self) -> &'static str {
        match self {
            ProxyProtocol::V1 => "v1",
            ProxyProtocol::V2 => "v2",
        }
    }
}

impl Forward {
    /// The most targets of one forward.
    pub const MOST_TARGETS: usize = 16;
    /// The most forwards of a configuration.
    pub const MOST: usize = 1024;

    /// `expose` or `connect`.
    pub fn kind(&self) -> &'static str {
        match self.listen {
            Listen::Tailnet { .. } | Listen::Service { .. } => "expose",
            Listen::Local { .. } | Listen::Unix(_) => "connect",
        }
    }

    /// What it carries.
    pub fn protocol(&self) -> Protocol {
        self.listen.protocol()
    }

    /// The targets in the order in which they are tried, with `|` between them.
    pub fn target(&self) -> String {
        let targets: Vec<String> = self.targets.iter().map(Target::to_string).collect();
        targets.join("|")
    }

    /// Whether both want to listen in one place, so that the second could not.
    pub fn collides_with(&self, other: &Forward) -> bool {
        self.listen.collides_with(&other.listen)
    }
}

/// The form that reads back, without name and options: `22=127.0.0.1:22`, `53/udp=127.0.0.1:53` or
/// `127.0.0.1:33389=rdp-host:3389`.
impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.listen {
            Listen::Tailnet {
                port,
                protocol: Protocol::Tcp,
            } => write!(f, "{port}={}", self.target()),
            listen => write!(f, "{listen}={}", self.target()),
        }
    }
}

#[cfg(test)]
mod tests;
