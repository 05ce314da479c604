//! Either sort of target of this machine, where a forward may have one or the
//! other, or both.

use std::{fmt, time::Duration};

use super::{
    super::{
        endpoint::{Dial, DialError},
        kernel::KernelStream,
        origin::Origin,
    },
    KernelTarget, UnixTarget,
};

/// A target of this machine.
#[derive(Debug, Clone)]
pub enum LocalTarget {
    /// By TCP: this machine, or one that it reaches.
    Tcp(KernelTarget),
    /// By a unix socket.
    Unix(UnixTarget),
}

impl From<KernelTarget> for LocalTarget {
    fn from(target: KernelTarget) -> Self {
        Self::Tcp(target)
    }
}

impl From<UnixTarget> for LocalTarget {
    fn from(target: UnixTarget) -> Self {
        Self::Unix(target)
    }
}

impl Dial for LocalTarget {
    type Stream = KernelStream;

    async fn dial(&self, origin: &Origin, budget: Duration) -> Result<KernelStream, DialError> {
        match self {
            Self::Tcp(target) => target.dial(origin, budget).await,
            Self::Unix(target) => target.dial(origin, budget).await,
        }
    }
}

impl fmt::Display for LocalTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(target) => target.fmt(f),
            Self::Unix(target) => target.fmt(f),
        }
    }
}
