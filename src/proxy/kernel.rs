//! Sockets of this machine: TCP listeners and the streams of both sides.
//!
//! Every socket gets TCP_NODELAY and keepalive. A kernel reports a break once, to
//! the first call that meets it, and shows a plain EOF to the next; a stream
//! therefore remembers what a write or a question was told.

use std::{
    io,
    net::SocketAddr,
    os::fd::AsFd,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

use super::{
    endpoint::{Accept, End, Incoming, Stream},
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

    fn claim(self) -> io::Result<KernelStream> {
        KernelStream::new(self.stream, self.keepalive)
    }

    fn refuse(self) {
        reset(self.stream);
    }
}

/// A TCP connection of this machine.
#[derive(Debug)]
pub struct KernelStream {
    socket: TcpStream,
    /// The first break that a write or a question was told.
    broken: Option<io::ErrorKind>,
}

impl KernelStream {
    /// Takes a connected socket.
    ///
    /// # Errors
    /// When its options cannot be set; it has been reset then.
    pub fn new(socket: TcpStream, keepalive: Keepalive) -> io::Result<Self> {
        let options = SockRef::from(&socket);
        let set = options
            .set_tcp_nodelay(true)
            .and_then(|()| keepalive.apply(&options));
        match set {
            Ok(()) => Ok(Self {
                socket,
                broken: None,
            }),
            Err(error) => {
                reset(socket);
                Err(error)
            }
        }
    }

    fn told<T>(&mut self, result: &Poll<io::Result<T>>) {
        if let Poll::Ready(Err(error)) = result {
            self.broken.get_or_insert(error.kind());
        }
    }
}

impl Stream for KernelStream {
    fn incoming_end(&mut self) -> End {
        match self.broken {
            // A reset that follows the end of stream is told as EPIPE.
            None | Some(io::ErrorKind::BrokenPipe) => End::Clean,
            Some(kind) => End::of(kind),
        }
    }

    fn broken(&mut self) -> Option<End> {
        if self.broken.is_none() {
            let error = self.socket.take_error().ok().flatten();
            self.broken = error.map(|error| error.kind());
        }
        self.broken.map(End::of)
    }

    fn unacknowledged(&self) -> io::Result<u64> {
        crate::tailnet::unacknowledged(self.socket.as_fd())
    }

    fn reset(self) {
        reset(self.socket);
    }
}

impl AsyncRead for KernelStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buffer)
    }
}

impl AsyncWrite for KernelStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.told(&written);
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

/// Closes a socket with a reset; one that the kernel knows as closed just goes.
fn reset(socket: TcpStream) {
    if let Err(error) = SockRef::from(&socket).set_linger(Some(Duration::ZERO)) {
        tracing::debug!(%error, "a reset became a close");
    }
}
