//! The bridge to the tailnet: its listeners, targets, streams and flows as the proxy
//! knows them. The only room of the proxy that sees the tailnet's types.

mod flows;

use std::{
    fmt, io,
    net::SocketAddr,
    os::fd::OwnedFd,
    pin::Pin,
    sync::atomic::AtomicU64,
    task::{Context, Poll},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub use self::flows::{NodeFlow, NodeFlowIncoming, NodeFlowListener};
use super::{
    endpoint::{Accept, Dial, DialError, DialErrorKind, End, Incoming, Mover, Socket, Stream},
    junction::{Ended, Moved, Returned},
    origin::Origin,
    peer::Peer,
};
use crate::tailnet::{self, Direction, ErrorKind};

/// A port of the node.
#[derive(Debug)]
pub struct NodeListener(tailnet::Listener);

impl NodeListener {
    /// Accepts from a port that the node has opened.
    pub fn new(listener: tailnet::Listener) -> Self {
        Self(listener)
    }
}

impl Accept for NodeListener {
    type Incoming = NodeIncoming;

    const BY_HAND: bool = true;

    async fn accept(&mut self) -> io::Result<NodeIncoming> {
        self.0.accept().await.map(NodeIncoming).map_err(gone)
    }
}

/// Every error of a tailnet listener is its last word.
fn gone(error: io::Error) -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, error)
}

/// A connection that a peer has made to the node.
#[derive(Debug)]
pub struct NodeIncoming(tailnet::Incoming);

impl Incoming for NodeIncoming {
    type Stream = NodeStream;

    fn peer(&self) -> Peer {
        self.0.remote().into()
    }

    fn local(&self) -> Option<SocketAddr> {
        Some(self.0.local())
    }

    fn claim(self) -> io::Result<NodeStream> {
        self.0.claim().map(NodeStream)
    }

    fn refuse(self) {
        // Dropped unclaimed it is reset, without a descriptor ever made for it.
    }
}

/// A host of the tailnet, by MagicDNS name or address, and a port.
#[derive(Debug, Clone)]
pub struct NodeTarget {
    dialer: tailnet::Dialer,
    address: String,
}

impl NodeTarget {
    /// A target; `address` is `host:port`, with brackets around an IPv6 address.
    pub fn new(dialer: tailnet::Dialer, address: impl Into<String>) -> Self {
        Self {
            dialer,
            address: address.into(),
        }
    }
}

impl Dial for NodeTarget {
    type Stream = NodeStream;

    async fn dial(&self, _: &Origin, budget: Duration) -> Result<NodeStream, DialError> {
        match self.dialer.dial(&self.address, budget).await {
            Ok(stream) => Ok(NodeStream(stream)),
            Err(error) => Err(DialError::new(kind_of(&error), detail(&error))),
        }
    }
}

impl fmt::Display for NodeTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

fn kind_of(error: &tailnet::Error) -> DialErrorKind {
    match error.kind() {
        ErrorKind::Refused => DialErrorKind::Refused,
        ErrorKind::Reset => DialErrorKind::Reset,
        ErrorKind::Unreachable => DialErrorKind::Unreachable,
        ErrorKind::TimedOut => DialErrorKind::TimedOut,
        ErrorKind::Canceled => DialErrorKind::Canceled,
        ErrorKind::BadAddress => DialErrorKind::BadAddress,
        ErrorKind::UnknownName => DialErrorKind::UnknownName,
        ErrorKind::NotInTailnet => DialErrorKind::NotInTailnet,
        ErrorKind::NotRunning | ErrorKind::LoginNeeded | ErrorKind::LoginRefused => {
            DialErrorKind::NotRunning
        }
        ErrorKind::Closed => DialErrorKind::Closed,
        _ if error.retry() => DialErrorKind::NoRoom,
        _ => DialErrorKind::Internal,
    }
}

/// An error with its causes on one line.
fn detail(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// A connection over the tailnet.
#[derive(Debug)]
pub struct NodeStream(tailnet::Stream);

impl Stream for NodeStream {
    fn incoming_end(&mut self) -> End {
        match self.0.end().map(|end| end.incoming) {
            Ok(Direction::Clean) => End::Clean,
            Ok(Direction::TimedOut) => End::TimedOut,
            // An id that is gone was aborted with its node.
            Ok(Direction::Reset | Direction::Open) | Err(_) => End::Reset,
        }
    }

    fn broken(&mut self) -> Option<End> {
        let Ok(end) = self.0.end() else {
            return Some(End::Reset);
        };
        [end.incoming, end.outgoing]
            .into_iter()
            .find_map(|direction| match direction {
                Direction::Open | Direction::Clean => None,
                Direction::Reset => Some(End::Reset),
                Direction::TimedOut => Some(End::TimedOut),
            })
    }

    fn unacknowledged(&self) -> io::Result<u64> {
        self.0.end().map(|end| end.unacknowledged)
    }

    fn socket(&self) -> Option<Socket<'_>> {
        self.0.socket().map(Socket::Unix)
    }

    fn mover(&mut self) -> Option<&mut dyn Mover> {
        Some(self)
    }

    fn reset(self) {
        self.0.reset();
    }
}

impl Mover for NodeStream {
    fn join(
        &mut self,
        socket: OwnedFd,
        incoming: &'static AtomicU64,
        outgoing: &'static AtomicU64,
    ) -> Result<(), OwnedFd> {
        self.0.join(socket, incoming, outgoing)
    }

    fn poll_parted(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Returned>> {
        self.0.poll_parted(cx).map_ok(|parted| Returned {
            socket: parted.socket,
            reading: parted.reading,
            writing: parted.writing,
            moved: Moved {
                incoming: parted.incoming,
                outgoing: parted.outgoing,
                unacknowledged: 0,
            },
            ended: parted.ended.into_iter().map(Ended::from).collect(),
        })
    }

    fn moved(&self) -> Moved {
        // An id that is gone was aborted with its node, and with it what it knew.
        self.0.end().map_or_else(
            |_| Moved::default(),
            |end| Moved {
                incoming: end.joined_incoming,
                unacknowledged: end.joined_unacknowledged,
                outgoing: end.joined_outgoing,
            },
        )
    }
}

impl From<tailnet::Ended> for Ended {
    fn from(direction: tailnet::Ended) -> Self {
        match direction {
            tailnet::Ended::Incoming => Self::Incoming,
            tailnet::Ended::Outgoing => Self::Outgoing,
        }
    }
}

impl AsyncRead for NodeStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for NodeStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
