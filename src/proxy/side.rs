//! One side of a relayed connection, shared by the two directions: one of them
//! reads it, the other one writes it.
//!
//! Both run in one task, so the lock is never waited for.

use std::{
    future::poll_fn,
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use tokio::io::ReadBuf;
use tokio_util::sync::CancellationToken;

use super::{
    endpoint::{End, Stream},
    pipe::{self, Pipe},
};

/// The most that is read at once, in bytes. It is on the stack while a read runs
/// and only what came is kept, so that an idle connection holds no buffer.
const CHUNK: usize = 64 * 1024;

/// A stream that is reset when dropped: whatever goes wrong on the way, a panic
/// included, its other end never takes a broken connection for a finished one.
#[derive(Debug)]
pub struct Held<S: Stream>(Option<S>);

impl<S: Stream> Held<S> {
    /// Takes charge of a stream.
    pub fn new(stream: S) -> Self {
        Self(Some(stream))
    }

    /// The stream.
    pub(super) fn get_mut(&mut self) -> Option<&mut S> {
        self.0.as_mut()
    }

    /// Closes the stream in the ordinary way.
    pub(super) fn close(mut self) {
        drop(self.0.take());
    }
}

impl<S: Stream> Drop for Held<S> {
    fn drop(&mut self) {
        if let Some(stream) = self.0.take() {
            stream.reset();
        }
    }
}

/// One side of a relayed connection.
pub(super) struct Side<S: Stream> {
    stream: Mutex<Held<S>>,
    /// Bytes written to it.
    taken: AtomicU64,
    /// Reading it came to a clean end.
    read_clean: AtomicBool,
    /// The end of stream was sent to it.
    end_sent: AtomicBool,
    /// Cancelled when reading it ended by a break: nothing can reach it any more.
    pub(super) gone: CancellationToken,
}

impl<S: Stream> Side<S> {
    pub(super) fn new(stream: Held<S>) -> Self {
        Self {
            stream: Mutex::new(stream),
            taken: AtomicU64::new(0),
            read_clean: AtomicBool::new(false),
            end_sent: AtomicBool::new(false),
            gone: CancellationToken::new(),
        }
    }

    /// Reads what is there: the bytes, or how reading ended. Cancel safe.
    pub(super) async fn read(&self) -> Result<Vec<u8>, End> {
        let result = poll_fn(|cx| {
            let mut space = [MaybeUninit::uninit(); CHUNK];
            let mut buffer = ReadBuf::uninit(&mut space);
            ready!(self.poll(cx, |stream, cx| stream.poll_read(cx, &mut buffer)))?;
            Poll::Ready(io::Result::Ok(buffer.filled().to_vec()))
        })
        .await;
        let end = match result {
            Ok(chunk) if !chunk.is_empty() => return Ok(chunk),
            Ok(_) => self.with(Stream::incoming_end).unwrap_or(End::Reset),
            Err(error) => End::of(error.kind()),
        };
        if end == End::Clean {
            self.read_clean.store(true, Relaxed);
        } else {
            self.gone.cancel();
        }
        Err(end)
    }

    /// Writes some of `bytes` and says how many, at least one. Cancel safe.
    pub(super) async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let written =
            poll_fn(|cx| self.poll(cx, |stream, cx| stream.poll_write(cx, bytes))).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.taken.fetch_add(written as u64, Relaxed);
        Ok(written)
    }

    /// Whether its bytes may pass through a pipe.
    pub(super) fn pipes(&self) -> bool {
        self.with(|stream| stream.socket().is_some())
            .unwrap_or(false)
    }

    /// Fills an empty pipe with what is there; false when that is for [`Side::read`] to
    /// find out: the end of stream, or a socket that does not know pipes. Cancel safe.
    pub(super) async fn fill(&self, pipe: &mut Pipe) -> Result<bool, End> {
        let filled = poll_fn(|cx| {
            self.poll(cx, |stream, cx| match stream.socket() {
                Some(socket) => pipe.poll_fill(cx, &socket),
                None => Poll::Ready(Ok(0)),
            })
        });
        match filled.await {
            Ok(filled) => Ok(filled > 0),
            Err(error) if pipe::is_refused(&error) => Ok(false),
            Err(error) => {
                self.gone.cancel();
                Err(End::of(error.kind()))
            }
        }
    }

    /// Writes some of a pipe's bytes and says how many, at least one. Cancel safe.
    pub(super) async fn drain(&self, pipe: &mut Pipe) -> io::Result<usize> {
        let drained = poll_fn(|cx| {
            self.poll(cx, |mut stream, cx| {
                let Some(socket) = stream.socket() else {
                    return Poll::Ready(Err(io::ErrorKind::Unsupported.into()));
                };
                let drained = pipe.poll_drain(cx, &socket);
                if let Poll::Ready(Err(error)) = &drained
                    && !pipe::is_refused(error)
                {
                    stream.write_failed(error.kind());
                }
                drained
            })
        })
        .await?;
        if drained == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.taken.fetch_add(drained as u64, Relaxed);
        Ok(drained)
    }

    /// Sends the end of stream.
    pub(super) async fn shutdown(&self) -> io::Result<()> {
        poll_fn(|cx| self.poll(cx, |stream, cx| stream.poll_shutdown(cx))).await?;
        self.end_sent.store(true, Relaxed);
        Ok(())
    }

    /// Notes that its end of stream was passed on without this side.
    pub(super) fn read_to_its_end(&self) {
        self.read_clean.store(true, Relaxed);
    }

    /// Notes that the end of stream was sent to it without this side.
    pub(super) fn sent_the_end(&self) {
        self.end_sent.store(true, Relaxed);
    }

    /// Whether it broke, which nobody may have met by reading or writing.
    pub(super) fn broken(&self) -> Option<End> {
        self.with(Stream::broken).flatten()
    }

    /// Counts bytes that reached it past this side.
    pub(super) fn credit(&self, bytes: u64) {
        self.taken.fetch_add(bytes, Relaxed);
    }

    /// Bytes written to it so far.
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Relaxed)
    }

    /// Bytes written that its TCP has not acknowledged; 0 when it cannot be known.
    pub(super) fn unacknowledged(&self) -> u64 {
        self.with(|stream| stream.unacknowledged().ok())
            .flatten()
            .unwrap_or(0)
    }

    /// Ends it for good: closed when both of its directions came to a clean end,
    /// reset otherwise.
    pub(super) fn finish(self) {
        let stream = self
            .stream
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        if self.read_clean.into_inner() && self.end_sent.into_inner() {
            stream.close();
        }
    }

    pub(super) fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        op: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match &mut self.lock().0 {
            Some(stream) => op(Pin::new(stream), cx),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Asks its stream; `None` when that is gone.
    pub(super) fn with<T>(&self, op: impl FnOnce(&mut S) -> T) -> Option<T> {
        self.lock().0.as_mut().map(op)
    }

    fn lock(&self) -> MutexGuard<'_, Held<S>> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
