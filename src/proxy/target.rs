//! A target that this machine reaches by its own TCP sockets: an address, or a
//! name with all of its addresses. Beside it, targets by unix sockets, and both.

mod local;
mod unix;

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use rustix::io::Errno;
use socket2::SockRef;
use tokio::time::{Instant, timeout};

pub use self::{local::LocalTarget, unix::UnixTarget};
use super::{
    endpoint::{Dial, DialError, DialErrorKind},
    kernel::{Keepalive, KernelStream, connect},
    origin::Origin,
    resolve::Resolver,
};

/// A host, by name or address, and a port.
#[derive(Debug, Clone)]
pub struct KernelTarget {
    host: String,
    port: u16,
    resolver: Arc<Resolver>,
    keepalive: Keepalive,
}

impl KernelTarget {
    /// A target. `host` is an address without brackets, or a name.
    pub fn new(
        host: impl Into<String>,
        port: u16,
        resolver: Arc<Resolver>,
        keepalive: Keepalive,
    ) -> Self {
        Self {
            host: host.into(),
            port,
            resolver,
            keepalive,
        }
    }

    async fn connect(&self, address: IpAddr, share: Duration) -> Result<KernelStream, DialError> {
        let address = SocketAddr::new(address, self.port);
        let error = |error: io::Error| {
            DialError::new(kind_of(&error), format!("dialing {address}: {error}"))
        };
        let socket = timeout(share, connect(address))
            .await
            .map_err(|_| {
                let detail = format!("dialing {address}: no answer in {share:.1?}");
                DialError::new(DialErrorKind::TimedOut, detail)
            })?
            .map_err(error)?;
        // A dial of a free local port may meet its own source port and connect to itself.
        let itself = SockRef::from(&socket).local_addr();
        if itself.is_ok_and(|local| local.as_socket() == Some(address)) {
            return Err(error(io::ErrorKind::ConnectionRefused.into()));
        }
        KernelStream::connected(socket, self.keepalive).map_err(error)
    }
}

impl Dial for KernelTarget {
    type Stream = KernelStream;

    /// Tries the addresses in order; each gets an equal share of the time left.
    async fn dial(&self, _: &Origin, budget: Duration) -> Result<KernelStream, DialError> {
        let start = Instant::now();
        let addresses = self.resolver.addresses(&self.host, budget).await?;
        let mut failed = DialError::new(DialErrorKind::UnknownName, &self.host);
        for (tried, address) in addresses.iter().enumerate() {
            let left = budget.saturating_sub(start.elapsed());
            let share = left / u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
            match self.connect(*address, share).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }
}

impl fmt::Display for KernelTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// What sort of failure the kernel's answer to a dial is.
pub(super) fn kind_of(error: &io::Error) -> DialErrorKind {
    if let Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS) =
        Errno::from_io_error(error)
    {
        return DialErrorKind::NoRoom;
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => DialErrorKind::Refused,
        io::ErrorKind::ConnectionReset => DialErrorKind::Reset,
        io::ErrorKind::TimedOut => DialErrorKind::TimedOut,
        io::ErrorKind::InvalidInput => DialErrorKind::BadAddress,
        _ => DialErrorKind::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::super::peer::Peer;
    use super::*;
    use std::net::Ipv6Addr;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    fn nobody() -> Origin {
        Origin::from(Peer::Unix { uid: None })
    }

    fn target(host: &str, port: u16, hosts: &str) -> (tempfile::TempDir, KernelTarget) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("hosts"), hosts).unwrap();
        let resolver = Resolver::new(dir.path().join("hosts"), dir.path().join("none"));
        let keepalive = Keepalive {
            idle: Duration::from_secs(60),
        };
        let target = KernelTarget::new(host, port, Arc::new(resolver), keepalive);
        (dir, target)
    }

    #[tokio::test]
    async fn a_refusing_address_of_a_name_leads_to_the_next() {
        let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (_dir, target) = target("box", port, "127.0.0.3 box\n127.0.0.2 box\n");
        target
            .dial(&nobody(), Duration::from_secs(5))
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_closed_port_is_refused_and_may_be_tried_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let (_dir, target) = target("127.0.0.1", port, "");
        let error = target
            .dial(&nobody(), Duration::from_secs(5))
            .await
            .unwrap_err();
        assert_eq!(error.kind, DialErrorKind::Refused, "{error}");
        assert!(error.retry());
    }

    #[tokio::test]
    async fn a_connection_that_is_dropped_unused_is_reset_and_a_used_one_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (_dir, target) = target("127.0.0.1", port, "");
        for (used, want) in [
            (false, Err(io::ErrorKind::ConnectionReset)),
            (true, Ok(b"word".to_vec())),
        ] {
            let mut stream = target
                .dial(&nobody(), Duration::from_secs(5))
                .await
                .unwrap();
            if used {
                stream.write_all(b"word").await.unwrap();
            }
            drop(stream);
            let mut read = Vec::new();
            let mut accepted = listener.accept().await.unwrap().0;
            let end = accepted.read_to_end(&mut read).await;
            assert_eq!(end.map(|_| read).map_err(|error| error.kind()), want);
        }
    }

    #[test]
    fn an_ipv6_target_is_shown_in_brackets() {
        let (_dir, target) = target(&Ipv6Addr::LOCALHOST.to_string(), 22, "");
        assert_eq!(target.to_string(), "[::1]:22");
    }
}
