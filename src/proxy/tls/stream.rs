//! What is inside a TLS connection, as a stream of the proxy.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};
use tokio_rustls::{TlsAcceptor, server};

use super::super::endpoint::{End, Stream};
use crate::turn;

/// How long the transport's end is waited for after both ends of the TLS stream: a
/// transport that is closed with bytes to come is reset, which can destroy the
/// last ones sent.
const LINGER: Duration = Duration::from_secs(2);

/// One side's bytes inside TLS.
pub struct TlsStream<S> {
    state: State<S>,
    /// Bytes taken by the TLS session and not yet by the transport.
    unsent: Option<usize>,
    /// The other side's close_notify was read.
    read_ended: bool,
    /// Ours was sent, and the end of stream after it.
    write_ended: bool,
    linger: Option<Pin<Box<Sleep>>>,
}

enum State<S> {
    Handshake(Box<server::Accept<Transport<S>>>),
    Open(Box<server::TlsStream<Transport<S>>>),
    Failed,
}

/// The stream below, which can be taken out of the TLS library's hands.
struct Transport<S>(Option<S>);

impl<S: Stream> TlsStream<S> {
    /// A connection before its handshake.
    pub(super) fn new(stream: S, acceptor: &TlsAcceptor) -> Self {
        Self {
            state: State::Handshake(Box::new(acceptor.accept(Transport(Some(stream))))),
            unsent: None,
            read_ended: false,
            write_ended: false,
            linger: None,
        }
    }

    fn transport(&mut self) -> Option<&mut Transport<S>> {
        match &mut self.state {
            State::Handshake(accept) => accept.get_mut(),
            State::Open(tls) => Some(tls.get_mut().0),
            State::Failed => None,
        }
    }

    fn stream(&self) -> Option<&S> {
        match &self.state {
            State::Handshake(accept) => accept.get_ref()?.0.as_ref(),
            State::Open(tls) => tls.get_ref().0.0.as_ref(),
            State::Failed => None,
        }
    }

    /// The session, once there is one.
    fn poll_open(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<&mut server::TlsStream<Transport<S>>>> {
        if let State::Handshake(accept) = &mut self.state {
            self.state = match ready!(Pin::new(accept).poll(cx)) {
                Ok(tls) => State::Open(Box::new(tls)),
                Err(error) => {
                    self.state = State::Failed;
                    return Poll::Ready(Err(error));
                }
            };
        }
        Poll::Ready(match &mut self.state {
            State::Open(tls) => Ok(tls),
            State::Handshake(_) | State::Failed => Err(io::ErrorKind::ConnectionReset.into()),
        })
    }

    /// Hands what the session holds to the transport.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let tls = ready!(self.poll_open(cx))?;
        Pin::new(tls).poll_flush(cx)
    }

    /// Once both ends are there, reads the transport to its own.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !(self.read_ended && self.write_ended) {
            return Poll::Ready(());
        }
        let linger = self.linger.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        if linger.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let Some(transport) = self.transport() else {
            return Poll::Ready(());
        };
        let mut space = [0; 256];
        loop {
            let mut buffer = ReadBuf::new(&mut space);
            let read = ready!(Pin::new(&mut *transport).poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(());
            }
        }
    }
}

impl<S: Stream> AsyncRead for TlsStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if !self.read_ended {
            let before = buffer.filled().len();
            let tls = ready!(self.poll_open(cx))?;
            ready!(Pin::new(tls).poll_read(cx, buffer))?;
            if buffer.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
            self.read_ended = true;
        }
        self.poll_linger(cx).map(Ok)
    }
}

impl<S: Stream> AsyncWrite for TlsStream<S> {
    /// Ready only when the transport has the bytes: nobody would come back for
    /// what the session still holds. A call after `Pending` must bring the same
    /// bytes again, some of which may have been taken.
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let taken = match self.unsent {
            Some(taken) => taken,
            None => {
                let tls = ready!(self.poll_open(cx))?;
                ready!(Pin::new(tls).poll_write(cx, bytes))?
            }
        };
        self.unsent = Some(taken);
        ready!(self.poll_sent(cx))?;
        self.unsent = None;
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_sent(cx)
    }

    /// Sends close_notify, and the transport's end of stream.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.write_ended {
            let tls = ready!(self.poll_open(cx))?;
            ready!(Pin::new(tls).poll_shutdown(cx))?;
            self.write_ended = true;
        }
        self.poll_linger(cx).map(Ok)
    }
}

impl<S: Stream> Stream for TlsStream<S> {
    async fn open(&mut self) -> io::Result<()> {
        turn::leave().await; // a handshake is a millisecond's work
        poll_fn(|cx| self.poll_open(cx).map_ok(|_| ())).await
    }

    /// A read shows an end of stream only after close_notify; a transport that
    /// ends without it is an error.
    fn incoming_end(&mut self) -> End {
        End::Clean
    }

    fn broken(&mut self) -> Option<End> {
        self.transport()?.0.as_mut()?.broken()
    }

    /// In bytes of the transport: what TLS adds is counted too.
    fn unacknowledged(&self) -> io::Result<u64> {
        match self.stream() {
            Some(stream) => stream.unacknowledged(),
            None => Ok(0),
        }
    }

    fn reset(mut self) {
        if let Some(stream) = self.transport().and_then(|transport| transport.0.take()) {
            stream.reset();
        }
    }
}

impl<S: Stream> Transport<S> {
    fn stream(self: Pin<&mut Self>) -> io::Result<Pin<&mut S>> {
        let stream = self.get_mut().0.as_mut();
        stream
            .map(Pin::new)
            .ok_or(io::ErrorKind::NotConnected.into())
    }
}

impl<S: Stream> AsyncRead for Transport<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream()?.poll_read(cx, buffer)
    }
}

impl<S: Stream> AsyncWrite for Transport<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(cx)
    }
}
