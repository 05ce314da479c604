//! A connected stream socket of this machine, TCP or unix.
//!
//! Every TCP socket gets TCP_NODELAY and keepalive. A kernel reports a break once,
//! to the first call that meets it, and shows a plain EOF to the next; a stream
//! therefore remembers what a write or a question was told.
//!
//! A unix socket half-closes like a TCP one, but it cannot send a reset. When it
//! is reset, or dropped, its other end reads ECONNRESET after the bytes that came
//! before if it had sent bytes that were not read (on Linux; a plain EOF
//! elsewhere), and a plain EOF if all were: over a unix socket alone a broken
//! connection can look like a finished one.

use std::{
    io, mem,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};

use super::{
    super::{
        endpoint::{self, End, Lender, Stream},
        junction::Returned,
    },
    Keepalive,
};

/// A TCP or unix connection of this machine.
#[derive(Debug)]
pub struct KernelStream {
    socket: Socket,
    /// The first break that a write or a question was told.
    broken: Option<io::ErrorKind>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// The runtime does not wait for it yet. Lost as it is, one of TCP is reset.
    Fresh(OwnedFd, Sort),
    /// Given away, and which sort it is.
    Lent(Sort),
}

#[derive(Debug, Clone, Copy)]
enum Sort {
    Tcp,
    Unix,
}

impl KernelStream {
    /// Takes a connected TCP socket.
    ///
    /// # Errors
    /// When its options cannot be set; it has been reset then.
    pub fn tcp(socket: TcpStream, keepalive: Keepalive) -> io::Result<Self> {
        match set_options(&socket, keepalive) {
            Ok(()) => Ok(Self::new(Socket::Tcp(socket))),
            Err(error) => {
                reset(&socket);
                Err(error)
            }
        }
    }

    /// Takes a TCP socket that was connected and does not block. Dropped before its first
    /// read or write it is reset.
    ///
    /// # Errors
    /// When its options cannot be set; it has been reset then.
    pub(in crate::proxy) fn connected(socket: OwnedFd, keepalive: Keepalive) -> io::Result<Self> {
        reset(&socket);
        set_options(&socket, keepalive)?;
        Ok(Self::new(Socket::Fresh(socket, Sort::Tcp)))
    }

    /// Takes a connected unix socket.
    pub fn unix(socket: UnixStream) -> Self {
        Self::new(Socket::Unix(socket))
    }

    fn new(socket: Socket) -> Self {
        Self {
            socket,
            broken: None,
        }
    }

    fn told<T>(&mut self, result: &Poll<io::Result<T>>) {
        if let Poll::Ready(Err(error)) = result {
            self.write_failed(error.kind());
        }
    }
}

impl Socket {
    /// The socket, unless it is lent.
    fn descriptor(&self) -> io::Result<BorrowedFd<'_>> {
        match self {
            Self::Tcp(socket) => Ok(socket.as_fd()),
            Self::Unix(socket) => Ok(socket.as_fd()),
            Self::Fresh(socket, _) => Ok(socket.as_fd()),
            Self::Lent(_) => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Has the runtime wait for it from now on.
    fn waited_for(&mut self) -> io::Result<&mut Self> {
        if let Self::Fresh(_, sort) = *self
            && let Self::Fresh(socket, _) = mem::replace(self, Self::Lent(sort))
        {
            *self = match sort {
                Sort::Tcp => {
                    let socket = TcpStream::from_std(socket.into())?;
                    SockRef::from(&socket).set_linger(None)?;
                    Self::Tcp(socket)
                }
                Sort::Unix => Self::Unix(UnixStream::from_std(socket.into())?),
            };
        }
        Ok(self)
    }

    fn sort(&self) -> Sort {
        match self {
            Self::Tcp(_) => Sort::Tcp,
            Self::Unix(_) => Sort::Unix,
            Self::Fresh(_, sort) | Self::Lent(sort) => *sort,
        }
    }
}

impl Lender for KernelStream {
    fn lend(&mut self) -> io::Result<OwnedFd> {
        if let Some(kind) = self.broken {
            return Err(kind.into());
        }
        let lent = Socket::Lent(self.socket.sort());
        match mem::replace(&mut self.socket, lent) {
            Socket::Tcp(socket) => {
                // Wherever it is lost, nobody takes that for an end.
                reset(&socket);
                Ok(socket.into_std()?.into())
            }
            Socket::Unix(socket) => Ok(socket.into_std()?.into()),
            Socket::Fresh(socket, _) => Ok(socket),
            Socket::Lent(_) => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn take_back(&mut self, returned: Returned) {
        if let Some(kind) = returned.reading.or(returned.writing) {
            self.write_failed(kind);
        }
        if let Some(socket) = returned.socket {
            self.socket = Socket::Fresh(socket, self.socket.sort());
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
            let told = self.socket.descriptor().and_then(|socket| {
                let told = SockRef::from(&socket).take_error()?;
                Ok(told.map(|error| error.kind()))
            });
            self.broken = told.unwrap_or_else(|error| Some(error.kind()));
        }
        self.broken.map(End::of)
    }

    fn unacknowledged(&self) -> io::Result<u64> {
        crate::tailnet::unacknowledged(self.socket.descriptor()?)
    }

    fn socket(&self) -> Option<endpoint::Socket<'_>> {
        match &self.socket {
            Socket::Tcp(socket) => Some(endpoint::Socket::Tcp(socket)),
            Socket::Unix(socket) => Some(endpoint::Socket::Unix(socket)),
            Socket::Fresh(..) | Socket::Lent(_) => None,
        }
    }

    fn write_failed(&mut self, kind: io::ErrorKind) {
        self.broken.get_or_insert(kind);
    }

    fn lender(&mut self) -> Option<&mut dyn Lender> {
        Some(self)
    }

    fn reset(self) {
        match self.socket {
            Socket::Tcp(socket) => reset(&socket),
            // That is all that a unix socket can do, and one that is lent is reset by who
            // has it.
            Socket::Unix(_) | Socket::Fresh(..) | Socket::Lent(_) => {}
        }
    }
}

impl AsyncRead for KernelStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.socket.waited_for()? {
            Socket::Tcp(socket) => Pin::new(socket).poll_read(cx, buffer),
            Socket::Unix(socket) => Pin::new(socket).poll_read(cx, buffer),
            Socket::Fresh(..) | Socket::Lent(_) => not_here(),
        }
    }
}

impl AsyncWrite for KernelStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = match self.socket.waited_for()? {
            Socket::Tcp(socket) => Pin::new(socket).poll_write(cx, bytes),
            Socket::Unix(socket) => Pin::new(socket).poll_write(cx, bytes),
            Socket::Fresh(..) | Socket::Lent(_) => not_here(),
        };
        self.told(&written);
        written
    }

    /// A socket has nothing to flush.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.socket.waited_for()? {
            Socket::Tcp(socket) => Pin::new(socket).poll_shutdown(cx),
            Socket::Unix(socket) => Pin::new(socket).poll_shutdown(cx),
            Socket::Fresh(..) | Socket::Lent(_) => not_here(),
        }
    }
}

fn set_options(socket: &impl AsFd, keepalive: Keepalive) -> io::Result<()> {
    let options = SockRef::from(socket);
    options.set_tcp_nodelay(true)?;
    keepalive.apply(&options)
}

/// Has a socket's close be a reset; one that the kernel knows as closed just goes.
pub(super) fn reset(socket: &impl AsFd) {
    if let Err(error) = SockRef::from(socket).set_linger(Some(Duration::ZERO)) {
        tracing::debug!(%error, "a reset became a close");
    }
}

fn not_here<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
}
