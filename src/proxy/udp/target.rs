//! A target of flows that this machine reaches by its own UDP sockets: an address,
//! or a name.

use std::{
    fmt,
    future::poll_fn,
    io,
    mem::MaybeUninit,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    task::{Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{Interest, ReadBuf},
    net::UdpSocket,
};

use super::{
    super::{
        endpoint::{DialError, DialErrorKind},
        resolve::Resolver,
        target,
    },
    link::{FlowTarget, Link, Sent},
    listener::{LONGEST, sent},
};

/// A host, by name or address, and a port.
#[derive(Debug, Clone)]
pub struct UdpTarget {
    host: String,
    port: u16,
    resolver: Arc<Resolver>,
}

impl UdpTarget {
    /// A target. `host` is an address without brackets, or a name.
    pub fn new(host: impl Into<String>, port: u16, resolver: Arc<Resolver>) -> Self {
        Self {
            host: host.into(),
            port,
            resolver,
        }
    }

    async fn connect(&self, address: IpAddr) -> io::Result<UdpSocketLink> {
        let any: IpAddr = match address {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0)).await?;
        socket.connect(SocketAddr::new(address, self.port)).await?;
        Ok(UdpSocketLink { socket })
    }
}

impl FlowTarget for UdpTarget {
    type Link = UdpSocketLink;

    /// The first of the addresses that the machine has a way to: nothing is said
    /// before the first datagram, so that the target itself is not asked.
    async fn dial(&self, budget: Duration) -> Result<UdpSocketLink, DialError> {
        let mut failed = DialError::new(DialErrorKind::UnknownName, &self.host);
        for address in self.resolver.addresses(&self.host, budget).await? {
            match self.connect(address).await {
                Ok(link) => return Ok(link),
                Err(error) => {
                    let detail = format!("dialing {address}: {error}");
                    failed = DialError::new(target::kind_of(&error), detail);
                }
            }
        }
        Err(failed)
    }
}

impl fmt::Display for UdpTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A connected UDP socket: it hears its target only, and learns that nothing
/// listens there.
#[derive(Debug)]
pub struct UdpSocketLink {
    socket: UdpSocket,
}

impl Link for UdpSocketLink {
    async fn recv(&mut self) -> io::Result<Option<Bytes>> {
        let received = poll_fn(|cx| {
            // On the stack while it is asked, so that an idle flow holds no buffer.
            let mut space = [MaybeUninit::uninit(); LONGEST];
            let mut buffer = ReadBuf::uninit(&mut space);
            ready!(self.socket.poll_recv(cx, &mut buffer))?;
            Poll::Ready(Ok(Some(Bytes::copy_from_slice(buffer.filled()))))
        });
        // That nothing listens there is an error of the socket, which wakes no reader.
        let broken = self.socket.async_io(Interest::ERROR, || {
            let error = self.socket.take_error()?;
            Err(error.unwrap_or_else(|| io::ErrorKind::WouldBlock.into()))
        });
        tokio::select! {
            biased;
            received = received => received,
            broken = broken => broken,
        }
    }

    async fn send(&mut self, datagram: &[u8]) -> io::Result<Sent> {
        sent(self.socket.send(datagram).await)
    }
}
