//! A claimed connection: its bytes, how it ended, and what dropping it means.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::pin::Pin;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::UnixStream;

use super::connection::{ConnectionId, End};
use super::message::Announced;
use super::parted::{Ended, Parted, WORDS};
use super::passing;
use super::sys;

/// A TCP connection over the tailnet.
///
/// Reading EOF says that the incoming direction is over and [`Stream::end`] says
/// how, finally; `shutdown` ends the outgoing one. Dropping a stream whose EOF was
/// read and whose `shutdown` succeeded leaves the Go half to deliver the rest;
/// dropping any other resets the connection, so that a cancelled or panicking
/// task never looks like a clean end to the peer.
///
/// Bytes flow from the first read, write or shutdown on; until then a socket can be lent
/// to them instead ([`Stream::join`]).
#[derive(Debug)]
pub struct Stream {
    // Dropped in this order: the descriptor is closed before the id is released.
    socket: UnixStream,
    claim: Claim,
    remote: SocketAddr,
    local: SocketAddr,
    way: Way,
    read_eof: bool,
    shut_down: bool,
}

/// Which way the bytes go.
#[derive(Debug)]
enum Way {
    /// None yet.
    Held,
    /// Through a lent socket.
    Joined,
    /// Through this stream.
    Here,
}

/// The right to ask about an id; given up when dropped.
#[derive(Debug)]
struct Claim {
    id: ConnectionId,
    /// Nobody needs to be told.
    given_up: bool,
}

impl Stream {
    /// Claims an announced connection. Its mailbox must still be open. On an
    /// error the connection is left to the caller, who still holds its id.
    pub(super) fn claim(announced: &Announced) -> io::Result<Self> {
        let fd = sys::hold(announced.id)?;
        let mut stream = Self::new(fd, announced)?;
        stream.way = Way::Held;
        Ok(stream)
    }

    fn new(fd: OwnedFd, announced: &Announced) -> io::Result<Self> {
        let &Announced { id, remote, local } = announced;
        let socket = UnixStream::from_std(StdUnixStream::from(fd))?;
        let claim = Claim {
            id,
            given_up: false,
        };
        Ok(Self {
            socket,
            claim,
            remote,
            local,
            way: Way::Here,
            read_eof: false,
            shut_down: false,
        })
    }

    /// The connection's number, for logs.
    pub fn id(&self) -> ConnectionId {
        self.claim.id
    }

    /// The peer's address and port.
    pub fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// This node's address and port.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// The socket that its bytes pass through. Only what this stream itself reads or
    /// shuts down counts as an end that was seen.
    pub fn socket(&self) -> &UnixStream {
        &self.socket
    }

    /// Has bytes pass between the tailnet and `socket` without this side, as long as
    /// bytes are all there is; for a stream on which nothing was read or written. What
    /// passes is added to both numbers. Until [`Stream::poll_parted`] gives the socket
    /// back the stream is only good to be dropped, which closes it.
    ///
    /// # Errors
    ///
    /// The socket, when it blocks, when the connection is over, and when bytes have
    /// flowed: the stream is as it was.
    pub fn join(
        &mut self,
        socket: OwnedFd,
        incoming: &'static AtomicU64,
        outgoing: &'static AtomicU64,
    ) -> Result<(), OwnedFd> {
        if !matches!(self.way, Way::Held) {
            return Err(socket);
        }
        sys::join(self.claim.id, socket, incoming, outgoing)?;
        self.way = Way::Joined;
        Ok(())
    }

    /// Waits until something else than bytes has come, and gives the socket back: from
    /// then on both directions go on here. After both ends there is none to give back.
    ///
    /// # Errors
    ///
    /// When the connection was aborted, also with its node, or the process has no
    /// descriptor left: the socket is closed.
    pub fn poll_parted(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Parted>> {
        let mut words = [0; WORDS];
        while matches!(self.way, Way::Joined) {
            ready!(self.socket.poll_read_ready(cx))?;
            let received = self.socket.try_io(Interest::READABLE, || {
                passing::receive(self.socket.as_fd(), &mut words)
            });
            match received {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                received => {
                    self.way = Way::Here;
                    if let (WORDS, socket) = received?
                        && let Some(parted) = Parted::new(&words, socket)
                    {
                        self.read_eof |= parted.ended.contains(&Some(Ended::Incoming));
                        self.shut_down |= parted.ended.contains(&Some(Ended::Outgoing));
                        self.claim.given_up = self.finished();
                        return Poll::Ready(Ok(parted));
                    }
                }
            }
        }
        Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()))
    }

    /// Has bytes flow here, unless they do.
    fn flow(&mut self) -> io::Result<()> {
        match self.way {
            Way::Here => Ok(()),
            Way::Held => {
                sys::flow(self.claim.id)?;
                self.way = Way::Here;
                Ok(())
            }
            Way::Joined => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// How far the connection is: a plain call that never waits.
    ///
    /// # Errors
    ///
    /// `EBADF` when the node has been closed meanwhile.
    pub fn end(&self) -> io::Result<End> {
        sys::end(self.claim.id)
    }

    /// Resets the connection; what is unacknowledged is lost.
    pub fn reset(mut self) {
        self.abort();
    }

    /// Whether both directions have ended as this side sees it.
    fn finished(&self) -> bool {
        self.read_eof && self.shut_down
    }

    fn abort(&mut self) {
        self.claim.given_up = true;
        // EBADF says that it is over already.
        let _ = sys::abort(self.claim.id);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if !self.finished() && !self.claim.given_up {
            self.abort();
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.given_up {
            // EBADF says that the node has gone, and the id with it.
            let _ = sys::release(self.id);
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.flow()?;
        let room = buffer.remaining();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buffer))?;
        if room > 0 && buffer.remaining() == room {
            self.read_eof = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.flow()?;
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.flow()?;
        Pin::new(&mut self.socket).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    /// A socket has nothing to flush.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    /// Ends the outgoing direction after all that was written.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flow()?;
        ready!(Pin::new(&mut self.socket).poll_shutdown(cx))?;
        self.shut_down = true;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
