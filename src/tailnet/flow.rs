//! A claimed UDP flow: datagrams with their boundaries, on a stream socket.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::net::UnixStream;

use super::connection::ConnectionId;
use super::message::Announced;
use super::sys;

/// The largest datagram that UDP carries over IPv4, in bytes; over IPv6 it is 20
/// bytes less.
pub const DATAGRAM_MAX: usize = 65_507;

/// The bytes of a datagram's length, which stands before it.
const HEAD: usize = 2;

/// What one read asks for. A flow that has once carried more gives it back when
/// it has nothing unread.
const READ: usize = 8 << 10;

/// What goes between one UDP address of the tailnet and one of this node.
///
/// UDP has no end: a flow lasts until it is dropped or its node closes. A client
/// that sends again after that makes a new flow. Whoever owns a flow decides how
/// long it may be idle.
#[derive(Debug)]
pub struct Flow {
    socket: UnixStream,
    id: ConnectionId,
    remote: SocketAddr,
    local: SocketAddr,
    /// Read, and not yet a whole datagram or not yet asked for.
    incoming: BytesMut,
    /// The rest of a datagram that the socket had no room for.
    outgoing: BytesMut,
}

impl Flow {
    /// Claims an announced flow. Its mailbox must still be open. On an error the
    /// flow is left to the caller, who still holds its id.
    pub(super) fn claim(announced: &Announced) -> io::Result<Self> {
        let fd = sys::claim(announced.id)?;
        Self::new(StdUnixStream::from(fd), announced)
    }

    fn new(socket: StdUnixStream, announced: &Announced) -> io::Result<Self> {
        let &Announced { id, remote, local } = announced;
        Ok(Self {
            socket: UnixStream::from_std(socket)?,
            id,
            remote,
            local,
            incoming: BytesMut::new(),
            outgoing: BytesMut::new(),
        })
    }

    /// The flow's number, for logs.
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// The other end's address and port.
    pub fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// This node's address and port.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Puts the next datagram, which may be empty, in place of what `datagram`
    /// holds; `false` when the flow is over. What nobody receives in time is lost,
    /// in whole datagrams.
    ///
    /// # Errors
    ///
    /// What the socket answers; the flow is of no more use then.
    ///
    /// # Cancel safety
    ///
    /// Safe: no datagram is lost.
    pub async fn recv(&mut self, datagram: &mut Vec<u8>) -> io::Result<bool> {
        poll_fn(|cx| self.poll_recv(cx, datagram)).await
    }

    /// Sends a datagram, waiting while there is no room for it.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when it is longer than [`DATAGRAM_MAX`]; `BrokenPipe` when
    /// the flow is over.
    ///
    /// # Cancel safety
    ///
    /// Dropped before its end, the datagram is sent whole or not at all.
    pub async fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        let length = u16::try_from(datagram.len()).ok();
        let length = length.filter(|_| datagram.len() <= DATAGRAM_MAX);
        let Some(length) = length else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "a datagram of {} bytes is over the limit of {DATAGRAM_MAX}",
                    datagram.len()
                ),
            ));
        };
        let head = length.to_be_bytes();
        poll_fn(|cx| self.poll_flush(cx)).await?;
        poll_fn(|cx| self.poll_begin(cx, head, datagram)).await?;
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        datagram: &mut Vec<u8>,
    ) -> Poll<io::Result<bool>> {
        // A send that was cancelled may have left something.
        if let Poll::Ready(Err(error)) = self.poll_flush(cx)
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            return Poll::Ready(Err(error));
        }
        loop {
            if self.take(datagram) {
                return Poll::Ready(Ok(true));
            }
            ready!(self.socket.poll_read_ready(cx))?;
            self.incoming.reserve(READ);
            match self.socket.try_read_buf(&mut self.incoming) {
                Ok(0) => return Poll::Ready(Ok(self.over())),
                // The other half closed its end with something unread.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return Poll::Ready(Ok(self.over()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
                Ok(_) => {}
            }
        }
    }

    /// Takes a datagram that has been read whole.
    fn take(&mut self, datagram: &mut Vec<u8>) -> bool {
        let Some((head, rest)) = self.incoming.split_first_chunk::<HEAD>() else {
            return false;
        };
        let length = usize::from(u16::from_be_bytes(*head));
        let Some(content) = rest.get(..length) else {
            return false;
        };
        datagram.clear();
        datagram.extend_from_slice(content);
        self.incoming.advance(HEAD + length);
        if self.incoming.is_empty() && self.incoming.capacity() > 2 * READ {
            self.incoming = BytesMut::new();
        }
        true
    }

    /// The end of the socket, perhaps in the midst of a datagram: UDP loses some.
    fn over(&mut self) -> bool {
        self.incoming.clear();
        false
    }

    /// Hands the datagram over, all of it or its beginning; then the rest is kept.
    fn poll_begin(
        &mut self,
        cx: &mut Context<'_>,
        head: [u8; HEAD],
        datagram: &[u8],
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.socket.poll_write_ready(cx))?;
            let frame = [IoSlice::new(&head), IoSlice::new(datagram)];
            match self.socket.try_write_vectored(&frame) {
                Ok(written) => {
                    self.outgoing
                        .extend_from_slice(head.get(written..).unwrap_or_default());
                    let written = written.saturating_sub(HEAD);
                    self.outgoing
                        .extend_from_slice(datagram.get(written..).unwrap_or_default());
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Writes what is kept.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.is_empty() {
            ready!(self.socket.poll_write_ready(cx))?;
            match self.socket.try_write(&self.outgoing) {
                Ok(written) => self.outgoing.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
