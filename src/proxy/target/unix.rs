//! A target that this machine reaches by a unix socket.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    net::UnixStream,
    time::{Instant, sleep},
};

use super::{
    super::{
        endpoint::{Dial, DialError, DialErrorKind},
        kernel::KernelStream,
        origin::Origin,
    },
    kind_of,
};

/// The pause before the next try at a socket whose queue is full.
const PAUSE: Duration = Duration::from_millis(20);

/// The path of a unix socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixTarget(PathBuf);

impl UnixTarget {
    /// A target; nothing need be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The path of its socket.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Dial for UnixTarget {
    type Stream = KernelStream;

    /// A socket whose queue is full answers at once that it has no room: asked
    /// again until the budget is used up, as a connecting TCP socket would be.
    async fn dial(&self, _: &Origin, budget: Duration) -> Result<KernelStream, DialError> {
        let start = Instant::now();
        loop {
            let error = match UnixStream::connect(&self.0).await {
                Ok(socket) => return Ok(KernelStream::unix(socket)),
                Err(error) => error,
            };
            let kind = match error.kind() {
                io::ErrorKind::WouldBlock if start.elapsed() + PAUSE < budget => {
                    sleep(PAUSE).await;
                    continue;
                }
                io::ErrorKind::WouldBlock => DialErrorKind::TimedOut,
                // Its server has not been started, or has removed it.
                io::ErrorKind::NotFound => DialErrorKind::Refused,
                _ => kind_of(&error),
            };
            return Err(DialError::new(kind, format!("dialing {self}: {error}")));
        }
    }
}

impl fmt::Display for UnixTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unix:{}", self.0.display())
    }
}
