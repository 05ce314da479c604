//! A claimed connection: its bytes, how it ended, and what dropping it means.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::pin::Pin;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

use super::connection::{ConnectionId, End};
use super::message::Announced;
use super::parted::{Ended, Parted};
use super::partings::{Part, Partings};
use super::sys;

/// A TCP connection over the tailnet.
///
/// Reading EOF says that the incoming direction is over and [`Stream::end`] says
/// how, finally; `shutdown` ends the outgoing one. Dropping a stream whose EOF was
/// read and whose `shutdown` succeeded leaves the Go half to deliver the rest;
/// dropping any other resets the connection, so that a cancelled or panicking
/// task never looks like a clean end to the peer.
///
/// Bytes flow from the first read, write or shutdown on, and then there is a descriptor
/// for them; until then a socket can be lent to them instead ([`Stream::join`]).
#[derive(Debug)]
pub struct Stream {
    // Dropped in this order: the descriptor is closed before the id is released.
    way: Way,
    claim: Claim,
    partings: Partings,
    remote: SocketAddr,
    local: SocketAddr,
    read_eof: bool,
    shut_down: bool,
}

/// Which way the bytes go.
#[derive(Debug)]
enum Way {
    /// None yet, or none any more.
    Held,
    /// Through a lent socket.
    Joined(Part),
    /// Through this stream.
    Here(UnixStream),
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
    pub(super) fn claim(announced: &Announced, partings: &Partings) -> io::Result<Self> {
        sys::hold(announced.id)?;
        Ok(Self::new(Way::Held, announced, partings))
    }

    fn new(way: Way, announced: &Announced, partings: &Partings) -> Self {
        let &Announced { id, remote, local } = announced;
        let claim = Claim {
            id,
            given_up: false,
        };
        Self {
            way,
            claim,
            partings: partings.clone(),
            remote,
            local,
            read_eof: false,
            shut_down: false,
        }
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

    /// The socket that its bytes pass through, if they flow here. Only what this stream
    /// itself reads or shuts down counts as an end that was seen.
    pub fn socket(&self) -> Option<&UnixStream> {
        match &self.way {
            Way::Here(socket) => Some(socket),
            Way::Held | Way::Joined(_) => None,
        }
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
        let part = self.partings.of(self.claim.id);
        sys::join(self.claim.id, socket, incoming, outgoing)?;
        self.way = Way::Joined(part);
        Ok(())
    }

    /// Waits until something else than bytes has come, and gives the socket back: from
    /// then on both directions go on here. After both ends there is none to give back.
    ///
    /// # Errors
    ///
    /// When the connection was aborted, also with its node, or the process has no
    /// descriptor left: the socket is closed with the connection.
    pub fn poll_parted(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Parted>> {
        let Way::Joined(part) = &mut self.way else {
            return Poll::Ready(Err(io::ErrorKind::InvalidInput.into()));
        };
        let parting = ready!(part.poll(cx));
        self.way = Way::Held;
        let parted = Parted::take(parting?)?;
        self.read_eof = parted.ended.contains(&Ended::Incoming);
        self.shut_down = parted.ended.contains(&Ended::Outgoing);
        self.claim.given_up = self.finished();
        Poll::Ready(Ok(parted))
    }

    /// The socket, once bytes flow here.
    fn flow(&mut self) -> io::Result<Pin<&mut UnixStream>> {
        if matches!(self.way, Way::Held) {
            let socket = StdUnixStream::from(sys::flow(self.claim.id)?);
            self.way = Way::Here(UnixStream::from_std(socket)?);
        }
        match &mut self.way {
            Way::Here(socket) => Ok(Pin::new(socket)),
            Way::Held | Way::Joined(_) => Err(io::ErrorKind::InvalidInput.into()),
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
        let room = buffer.remaining();
        ready!(self.flow()?.poll_read(cx, buffer))?;
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
        self.flow()?.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.flow()?.poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// A socket has nothing to flush.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Ends the outgoing direction after all that was written.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.flow()?.poll_shutdown(cx))?;
        self.shut_down = true;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
