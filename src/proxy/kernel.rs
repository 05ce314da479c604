//! Sockets of this machine: TCP listeners, unix ones, the streams of both sides, and
//! connects that the kernel answers at once.

mod connect;
mod stream;
mod unix;

use std::{
    io,
    net::{SocketAddr, TcpListener as StdTcpListener},
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};

pub(super) use self::connect::connect;
pub use self::{
    stream::KernelStream,
    unix::{Access, UnixIncoming, UnixListener},
};
use super::{
    endpoint::{Accept, Incoming},
    peer::Peer,
};

/// When to ask a silent side whether it is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Keepalive {
    /// The idle time before the first probe; 0 is off. Probes follow so that a
    /// vanished side is gone after about twice this time.
    pub idle: Duration,
}

impl Keepalive {
    /// Probes after the idle time, which share its length among them.
    const PROBES: u32 = 5;

    fn apply(self, socket: &SockRef<'_>) -> io::Result<()> {
        if self.idle.is_zero() {
            return Ok(());
        }
        // The kernel counts in whole seconds, from 1 to 32767.
        let seconds = |time: Duration| {
            Duration::from_secs(time.as_secs_f64().ceil().clamp(1.0, 32767.0) as u64)
        };
        let keepalive = TcpKeepalive::new()
            .with_time(seconds(self.idle))
            .with_interval(seconds(self.idle / Self::PROBES))
            .with_retries(Self::PROBES);
        socket.set_tcp_keepalive(&keepalive)
    }
}

/// A TCP listener of this machine.
#[derive(Debug)]
pub struct KernelListener {
    socket: TcpListener,
    keepalive: Keepalive,
}

impl KernelListener {
    /// Listens on an address; port 0 takes a free one.
    ///
    /// # Errors
    /// What the kernel answers, for example that the address is in use.
    ///
    /// # Cancel safety
    /// Dropping the future closes the socket.
    pub async fn bind(address: SocketAddr, keepalive: Keepalive) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        Ok(Self { socket, keepalive })
    }

    /// Takes one that somebody else has made to listen. Needs a tokio runtime.
    ///
    /// # Errors
    /// What the kernel answers.
    pub fn passed(socket: StdTcpListener, keepalive: Keepalive) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let socket = TcpListener::from_std(socket)?;
        Ok(Self { socket, keepalive })
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// What the kernel answers.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

impl Accept for KernelListener {
    type Incoming = KernelIncoming;

    async fn accept(&mut self) -> io::Result<KernelIncoming> {
        loop {
            match self.socket.accept().await {
                Ok((stream, peer)) => {
                    return Ok(KernelIncoming {
                        stream,
                        peer,
                        keepalive: self.keepalive,
                    });
                }
                // This one gave up while it waited; the next one has not.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// A TCP connection that has arrived.
#[derive(Debug)]
pub struct KernelIncoming {
    stream: TcpStream,
    peer: SocketAddr,
    keepalive: Keepalive,
}

impl Incoming for KernelIncoming {
    type Stream = KernelStream;

    fn peer(&self) -> Peer {
        self.peer.into()
    }

    fn local(&self) -> Option<SocketAddr> {
        self.stream.local_addr().ok()
    }

    fn claim(self) -> io::Result<KernelStream> {
        KernelStream::tcp(self.stream, self.keepalive)
    }

    fn refuse(self) {
        stream::reset(&self.stream);
    }
}
