//! Bytes that pass from socket to socket inside the kernel: splice(2), and the pipe that
//! it needs. Only Linux has it; elsewhere there is never a pipe, and bytes are copied.
//!
//! A pipe is held while bulk flows and not a moment longer, and there are few of them: an
//! unprivileged user's pages in pipes run out at 16,384 (`pipe-user-pages-soft`).

use std::{
    io::{self, Read},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    task::{Context, Poll, ready},
};

use tokio::{
    io::Interest,
    net::{TcpStream, UnixStream},
    sync::{Semaphore, SemaphorePermit},
};

/// How much a pipe holds, in bytes, which is also the most that is moved at once: as much
/// as an unprivileged user may give one (`pipe-max-size`). From one socket of loopback to
/// another, a GiB took 219 ms of the CPU by pipes of 1 MiB, 243 by 512 KiB, 277 by 256 KiB
/// and 373 by the kernel's own 64 KiB, and throughput was 2.2, 2.0, 1.95 and 1.6 GiB/s
/// (medians of 3 rounds).
const ROOM: usize = 1024 * 1024;

/// Pipes at one time. With `ROOM` they take half of what a user may have.
static PIPES: Semaphore = Semaphore::const_new(32);

/// A socket whose bytes are a connection's own, with nothing in between.
pub enum Socket<'a> {
    /// A TCP socket of the kernel.
    Tcp(&'a TcpStream),
    /// A unix socket, one of a pair too.
    Unix(&'a UnixStream),
}

/// A pipe, and how many bytes are in it. Those are lost when it is dropped.
pub(super) struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    held: usize,
    _permit: SemaphorePermit<'static>,
}

impl Pipe {
    /// An empty pipe; `None` when all are in use, or the process has no descriptors left,
    /// or the system has no splice.
    pub(super) fn take() -> Option<Self> {
        let permit = PIPES.try_acquire().ok()?;
        let (read, write) = pipe().ok()?;
        Some(Self {
            read,
            write,
            held: 0,
            _permit: permit,
        })
    }

    /// Takes its bytes out again.
    pub(super) fn take_out(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.held];
        std::fs::File::from(self.read.try_clone()?).read_exact(&mut bytes)?;
        self.held = 0;
        Ok(bytes)
    }

    /// Bytes in it.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Fills the empty pipe with what a socket has; 0 at its end of stream.
    pub(super) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        from: &Socket<'_>,
    ) -> Poll<io::Result<usize>> {
        debug_assert_eq!(self.held, 0, "a pipe that is not empty may have no room");
        loop {
            ready!(from.poll_ready(cx, Interest::READABLE))?;
            let moved = from.try_io(Interest::READABLE, || {
                transfer(from.as_fd(), self.write.as_fd(), ROOM)
            });
            if !would_block(&moved) {
                self.held = *moved.as_ref().unwrap_or(&0);
                return Poll::Ready(moved);
            }
        }
    }

    /// Moves some of what it holds into a socket, at least a byte.
    pub(super) fn poll_drain(
        &mut self,
        cx: &mut Context<'_>,
        to: &Socket<'_>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(to.poll_ready(cx, Interest::WRITABLE))?;
            let moved = to.try_io(Interest::WRITABLE, || {
                transfer(self.read.as_fd(), to.as_fd(), self.held)
            });
            if !would_block(&moved) {
                self.held -= *moved.as_ref().unwrap_or(&0);
                return Poll::Ready(moved);
            }
        }
    }
}

impl Socket<'_> {
    fn poll_ready(&self, cx: &mut Context<'_>, interest: Interest) -> Poll<io::Result<()>> {
        match (self, interest.is_readable()) {
            (Self::Tcp(socket), true) => socket.poll_read_ready(cx),
            (Self::Tcp(socket), false) => socket.poll_write_ready(cx),
            (Self::Unix(socket), true) => socket.poll_read_ready(cx),
            (Self::Unix(socket), false) => socket.poll_write_ready(cx),
        }
    }

    fn try_io<T>(&self, interest: Interest, op: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self {
            Self::Tcp(socket) => socket.try_io(interest, op),
            Self::Unix(socket) => socket.try_io(interest, op),
        }
    }
}

impl AsFd for Socket<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
        }
    }
}

/// Whether the system does not splice here: not with this sort of socket, or not at all.
/// A break of the socket's connection is something else.
pub(super) fn is_refused(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, OutOfMemory, PermissionDenied, Unsupported};
    matches!(
        error.kind(),
        InvalidInput | OutOfMemory | PermissionDenied | Unsupported
    )
}

fn would_block<T>(result: &io::Result<T>) -> bool {
    matches!(result, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// The two ends of a pipe.
#[cfg(target_os = "linux")]
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

    let ends = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    // Who may not have so much has a smaller one.
    let _ = fcntl_setpipe_size(&ends.1, ROOM);
    Ok(ends)
}

#[cfg(not(target_os = "linux"))]
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Moves bytes between a pipe and a socket, without waiting.
#[cfg(target_os = "linux")]
fn transfer(from: BorrowedFd<'_>, to: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
    use rustix::pipe::{SpliceFlags, splice};

    let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
    Ok(splice(from, None, to, None, most, flags)?)
}

#[cfg(not(target_os = "linux"))]
fn transfer(_: BorrowedFd<'_>, _: BorrowedFd<'_>, _: usize) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn tcp() -> (TcpStream, TcpStream) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (one, other) = tokio::join!(TcpStream::connect(address), listener.accept());
        (one.unwrap(), other.unwrap().0)
    }

    /// One test for all: the pipes of a process are shared.
    #[tokio::test]
    async fn bytes_pass_and_come_out_again_and_there_are_only_so_many_pipes() {
        let (mut source, from) = tcp().await;
        let (to, mut sink) = UnixStream::pair().unwrap();
        let mut pipe = Pipe::take().unwrap();

        source.write_all(b"through the pipe").await.unwrap();
        let from = Socket::Tcp(&from);
        assert_eq!(
            poll_fn(|cx| pipe.poll_fill(cx, &from)).await.unwrap(),
            pipe.held()
        );
        assert_eq!(pipe.held(), 16);
        while pipe.held() > 0 {
            poll_fn(|cx| pipe.poll_drain(cx, &Socket::Unix(&to)))
                .await
                .unwrap();
        }
        let mut got = [0; 16];
        sink.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"through the pipe");

        source.write_all(b"back").await.unwrap();
        poll_fn(|cx| pipe.poll_fill(cx, &from)).await.unwrap();
        assert_eq!(pipe.take_out().unwrap(), b"back");
        assert_eq!(pipe.held(), 0);

        drop(source);
        assert_eq!(poll_fn(|cx| pipe.poll_fill(cx, &from)).await.unwrap(), 0);

        drop(sink);
        let (mut source, from) = tcp().await;
        source.write_all(b"to nobody").await.unwrap();
        let from = Socket::Tcp(&from);
        poll_fn(|cx| pipe.poll_fill(cx, &from)).await.unwrap();
        let failed = poll_fn(|cx| pipe.poll_drain(cx, &Socket::Unix(&to))).await;
        let error = failed.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert!(!is_refused(&error));

        let mut others: Vec<_> = std::iter::from_fn(Pipe::take).collect();
        assert_eq!(others.len(), 31);
        others.pop();
        assert!(Pipe::take().is_some());
    }
}
