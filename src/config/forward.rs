//! One forward, as an item of TS_EXPOSE or TS_CONNECT or as an argument of the command line.

use std::fmt;
use std::net::SocketAddr;

use super::address::{AddressError, LocalAddress, TailnetPort, Target};

/// A listening side and what each of its connections is dialed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forward {
    /// A port of the node on the tailnet, dialed from this machine.
    Expose {
        /// The TCP port on the tailnet, 1 to 65535.
        listen_port: u16,
        /// What this machine dials.
        target: Target,
    },
    /// A port of this machine, dialed over the tailnet.
    Connect {
        /// The local address; port 0 lets the system choose one.
        listen: SocketAddr,
        /// The tailnet host, by MagicDNS name or address.
        target: Target,
    },
}

/// Why a text is no forward.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForwardError {
    /// Nothing between two commas, or at an end.
    #[error("is empty")]
    Empty,
    /// The listening side is wrong.
    #[error("listening port: {0}")]
    Listen(AddressError),
    /// The local address of a connect is wrong.
    #[error("local address: {0}")]
    Local(AddressError),
    /// The target is wrong.
    #[error("target: {0}")]
    Target(AddressError),
    /// A connect without its local side.
    #[error("has no local address: write LOCAL=HOST:PORT")]
    NoLocal,
}

impl Forward {
    /// The allowed forms of an expose.
    pub const EXPOSE_RULE: &str = "PORT=HOST:PORT; HOST:PORT alone listens on the same port, \
                                   PORT alone is PORT=127.0.0.1:PORT";
    /// The allowed forms of a connect.
    pub const CONNECT_RULE: &str =
        "LOCAL=HOST:PORT, where LOCAL is PORT (on 127.0.0.1) or ADDRESS:PORT";

    /// Reads `[PORT=]HOST:PORT` or `PORT`.
    ///
    /// # Errors
    /// Names the side that is wrong and why.
    pub fn expose(text: &str) -> Result<Forward, ForwardError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ForwardError::Empty);
        }
        if let Some((port, target)) = text.split_once('=') {
            let TailnetPort(listen_port) = port.trim().parse().map_err(ForwardError::Listen)?;
            let target = target.trim().parse().map_err(ForwardError::Target)?;
            return Ok(Forward::Expose {
                listen_port,
                target,
            });
        }
        let only_a_port =
            text.starts_with(|c: char| c.is_ascii_digit()) && !text.contains([':', '.']);
        if only_a_port {
            let TailnetPort(listen_port) = text.parse().map_err(ForwardError::Listen)?;
            return Ok(Forward::Expose {
                listen_port,
                target: Target::loopback(listen_port),
            });
        }
        let target: Target = text.parse().map_err(ForwardError::Target)?;
        Ok(Forward::Expose {
            listen_port: target.port(),
            target,
        })
    }

    /// Reads `LOCAL=HOST:PORT`.
    ///
    /// # Errors
    /// Names the side that is wrong and why.
    pub fn connect(text: &str) -> Result<Forward, ForwardError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ForwardError::Empty);
        }
        let (local, target) = text.split_once('=').ok_or(ForwardError::NoLocal)?;
        let LocalAddress(listen) = local.trim().parse().map_err(ForwardError::Local)?;
        let target = target.trim().parse().map_err(ForwardError::Target)?;
        Ok(Forward::Connect { listen, target })
    }

    /// `expose` or `connect`.
    pub fn kind(&self) -> &'static str {
        match self {
            Forward::Expose { .. } => "expose",
            Forward::Connect { .. } => "connect",
        }
    }

    /// The listening side as configured: `22/tcp` on the tailnet, `127.0.0.1:33389` on this
    /// machine.
    pub fn listen(&self) -> String {
        match self {
            Forward::Expose { listen_port, .. } => format!("{listen_port}/tcp"),
            Forward::Connect { listen, .. } => listen.to_string(),
        }
    }

    /// What is dialed for each connection.
    pub fn target(&self) -> &Target {
        match self {
            Forward::Expose { target, .. } | Forward::Connect { target, .. } => target,
        }
    }

    /// Whether both want to listen in one place, so that the second could not.
    pub fn collides_with(&self, other: &Forward) -> bool {
        match (self, other) {
            (Forward::Expose { listen_port: a, .. }, Forward::Expose { listen_port: b, .. }) => {
                a == b
            }
            (Forward::Connect { listen: a, .. }, Forward::Connect { listen: b, .. }) => {
                let covers = |a: &SocketAddr, b: &SocketAddr| {
                    a.ip().is_unspecified() && (a.is_ipv6() || b.is_ipv4())
                };
                a.port() == b.port()
                    && a.port() != 0
                    && (a.ip() == b.ip() || covers(a, b) || covers(b, a))
            }
            _ => false,
        }
    }
}

/// The form that reads back: `22=127.0.0.1:22` or `127.0.0.1:33389=rdp-host:3389`.
impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Forward::Expose {
                listen_port,
                target,
            } => write!(f, "{listen_port}={target}"),
            Forward::Connect { listen, target } => write!(f, "{listen}={target}"),
        }
    }
}

#[cfg(test)]
mod tests;
