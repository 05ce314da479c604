//! Why something over the tailnet failed, and whether trying again helps.

use std::fmt;
use std::io;

use serde::{Deserialize, Deserializer};

use super::protocol::ProtocolError;

/// An error of the tailnet.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The Go half answered that the operation failed.
    #[error("{detail}")]
    Answer {
        /// What kind of failure it is.
        kind: ErrorKind,
        /// What was being done, to what, and why it failed.
        detail: String,
    },
    /// The call into the Go half itself failed.
    #[error("{operation}")]
    Call {
        /// What was being done.
        operation: &'static str,
        /// The errno of the call.
        source: io::Error,
    },
    /// A mailbox said something that the contract does not allow.
    #[error("reading what the tailnet answers")]
    Protocol(#[from] ProtocolError),
}

impl Error {
    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Answer { kind, .. } => *kind,
            Self::Call { source, .. } if source.raw_os_error() == Some(libc::EBADF) => {
                ErrorKind::Closed
            }
            Self::Call { .. } | Self::Protocol(_) => ErrorKind::Internal,
        }
    }

    /// Whether the same operation can succeed later without anyone changing anything.
    pub fn retry(&self) -> bool {
        match self {
            Self::Call { source, .. } => matches!(
                source.raw_os_error(),
                Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::ENOBUFS)
            ),
            other => other.kind().retry(),
        }
    }

    /// Wraps the errno of a call, naming what was being done.
    pub(crate) fn call(operation: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Call { operation, source }
    }
}

impl From<Error> for io::Error {
    /// Keeps the kind where `io` has a word for it, and the error itself inside.
    fn from(error: Error) -> Self {
        if let Error::Call { source, .. } = &error
            && let Some(errno) = source.raw_os_error()
            && error.retry()
        {
            // Running out of something stays recognisable by its number.
            return Self::from_raw_os_error(errno);
        }
        let kind = match error.kind() {
            ErrorKind::Refused => io::ErrorKind::ConnectionRefused,
            ErrorKind::Reset => io::ErrorKind::ConnectionReset,
            ErrorKind::Unreachable => io::ErrorKind::HostUnreachable,
            ErrorKind::TimedOut => io::ErrorKind::TimedOut,
            ErrorKind::BadAddress => io::ErrorKind::InvalidInput,
            ErrorKind::UnknownName | ErrorKind::UnknownPeer => io::ErrorKind::NotFound,
            ErrorKind::PortInUse => io::ErrorKind::AddrInUse,
            ErrorKind::NotRunning | ErrorKind::Closed => io::ErrorKind::NotConnected,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// The closed list of failures that the Go half tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The peer answered that nothing listens there.
    Refused,
    /// The peer reset the connection while it was being made.
    Reset,
    /// The network has no way to the peer now.
    Unreachable,
    /// No answer within the call's time.
    TimedOut,
    /// The mailbox was closed or the node is closing.
    Canceled,
    /// The network or address cannot be understood.
    BadAddress,
    /// No such name in the tailnet or in DNS.
    UnknownName,
    /// Nobody of the tailnet has the address.
    UnknownPeer,
    /// The address is no peer's and no route of the tailnet leads there.
    NotInTailnet,
    /// This node listens there already.
    PortInUse,
    /// The node is not connected to its tailnet.
    NotRunning,
    /// The tailnet offers no certificate for the name.
    NoCertificates,
    /// The node has no tag, and only a tagged one can host a service.
    NotTagged,
    /// The control server refused the key or the node.
    LoginRefused,
    /// A person must log in, or extend the key.
    LoginNeeded,
    /// The state directory cannot be read or written.
    StateUnusable,
    /// The node is closed.
    Closed,
    /// A fault of this side; the detail says where.
    Internal,
}

impl ErrorKind {
    /// Every kind, in the order of the contract's table.
    pub const ALL: [Self; 18] = [
        Self::Refused,
        Self::Reset,
        Self::Unreachable,
        Self::TimedOut,
        Self::Canceled,
        Self::BadAddress,
        Self::UnknownName,
        Self::UnknownPeer,
        Self::NotInTailnet,
        Self::PortInUse,
        Self::NotRunning,
        Self::NoCertificates,
        Self::NotTagged,
        Self::LoginRefused,
        Self::LoginNeeded,
        Self::StateUnusable,
        Self::Closed,
        Self::Internal,
    ];

    /// The contract's name of the kind.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::Canceled => "canceled",
            Self::BadAddress => "bad_address",
            Self::UnknownName => "unknown_name",
            Self::UnknownPeer => "unknown_peer",
            Self::NotInTailnet => "not_in_tailnet",
            Self::PortInUse => "port_in_use",
            Self::NotRunning => "not_running",
            Self::NoCertificates => "no_certificates",
            Self::NotTagged => "not_tagged",
            Self::LoginRefused => "login_refused",
            Self::LoginNeeded => "login_needed",
            Self::StateUnusable => "state_unusable",
            Self::Closed => "closed",
            Self::Internal => "internal",
        }
    }

    /// Whether the same call can succeed later without anyone changing anything.
    pub fn retry(self) -> bool {
        matches!(
            self,
            Self::Refused | Self::Reset | Self::Unreachable | Self::TimedOut | Self::NotRunning
        )
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An `error` message's content, as any mailbox may carry it.
#[derive(Debug, PartialEq)]
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    pub(crate) detail: String,
}

impl<'de> Deserialize<'de> for Failure {
    /// A kind that is not on the list is a fault of the Go half, its name kept.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Keys {
            kind: String,
            detail: String,
        }
        let Keys { kind, detail } = Keys::deserialize(deserializer)?;
        Ok(
            match ErrorKind::ALL
                .into_iter()
                .find(|known| known.name() == kind)
            {
                Some(kind) => Self { kind, detail },
                None => Self {
                    kind: ErrorKind::Internal,
                    detail: format!("{kind}: {detail}"),
                },
            },
        )
    }
}

impl From<Failure> for Error {
    fn from(Failure { kind, detail }: Failure) -> Self {
        let detail = if detail.is_empty() {
            kind.to_string()
        } else {
            detail
        };
        Self::Answer { kind, detail }
    }
}
