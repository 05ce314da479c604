//! A claimed connection: its bytes, how it ended, and what dropping it means.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

use super::connection::{ConnectionId, End};
use super::message::Announced;
use super::sys;

/// A TCP connection over the tailnet.
///
/// Reading EOF says that the incoming direction is over and [`Stream::end`] says
/// how, finally; `shutdown` ends the outgoing one. Dropping a stream whose EOF was
/// read and whose `shutdown` succeeded leaves the Go half to deliver the rest;
/// dropping any other resets the connection, so that a cancelled or panicking
/// task never looks like a clean end to the peer.
#[derive(Debug)]
pub struct Stream {
    // Dropped in this order: the descriptor is closed before the id is released.
    socket: UnixStream,
    claim: Claim,
    remote: SocketAddr,
    local: SocketAddr,
    read_eof: bool,
    shut_down: bool,
}

/// The right to ask about an id; given up when dropped.
#[derive(Debug)]
struct Claim {
    id: ConnectionId,
    aborted: bool,
}

impl Stream {
    /// Claims an announced connection. Its mailbox must still be open. On an
    /// error the connection is left to the caller, who still holds its id.
    pub(super) fn claim(announced: &Announced) -> io::Result<Self> {
        let fd = sys::claim(announced.id)?;
        Self::new(fd, announced)
    }

    fn new(fd: OwnedFd, announced: &Announced) -> io::Result<Self> {
        let &Announced { id, remote, local } = announced;
        let socket = UnixStream::from_std(StdUnixStream::from(fd))?;
        let claim = Claim { id, aborted: false };
        Ok(Self {
            socket,
            claim,
            remote,
            local,
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
        self.claim.aborted = true;
        // EBADF says that it is over already.
        let _ = sys::abort(self.claim.id);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if !self.finished() && !self.claim.aborted {
            self.abort();
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.aborted {
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
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
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
        ready!(Pin::new(&mut self.socket).poll_shutdown(cx))?;
        self.shut_down = true;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// A stream over a socket pair, under an id that the Go half does not know.
    fn stream() -> (UnixStream, Stream) {
        let (there, here) = StdUnixStream::pair().unwrap();
        there.set_nonblocking(true).unwrap();
        here.set_nonblocking(true).unwrap();
        let address = "100.64.0.1:22".parse().unwrap();
        let announced = Announced {
            id: ConnectionId(u64::MAX),
            remote: address,
            local: address,
        };
        let stream = Stream::new(here.into(), &announced).unwrap();
        (UnixStream::from_std(there).unwrap(), stream)
    }

    #[tokio::test]
    async fn a_stream_is_finished_when_both_directions_are() {
        let (there, mut here) = stream();
        assert!(!here.finished());
        here.shutdown().await.unwrap();
        assert!(!here.finished());
        drop(there);
        assert_eq!(here.read(&mut [0]).await.unwrap(), 0);
        assert!(here.finished());
    }

    #[tokio::test]
    async fn reading_into_no_room_is_no_eof() {
        let (mut there, mut here) = stream();
        there.write_all(b"byte").await.unwrap();
        assert_eq!(here.read(&mut []).await.unwrap(), 0);
        assert!(!here.read_eof);
    }

    #[tokio::test]
    async fn shutting_down_leaves_the_incoming_direction_open() {
        let (mut there, mut here) = stream();
        here.write_all(b"ask").await.unwrap();
        here.shutdown().await.unwrap();
        let mut asked = String::new();
        there.read_to_string(&mut asked).await.unwrap();
        there.write_all(b"answer").await.unwrap();
        drop(there);
        let mut answer = String::new();
        here.read_to_string(&mut answer).await.unwrap();
        assert_eq!((asked.as_str(), answer.as_str()), ("ask", "answer"));
    }

    #[tokio::test]
    async fn the_end_of_an_unknown_connection_is_an_error() {
        let (_there, here) = stream();
        assert_eq!(here.end().unwrap_err().raw_os_error(), Some(libc::EBADF));
        here.reset();
    }
}
