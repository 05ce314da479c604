//! What the proxy asks of a network: two small traits, [`Accept`] and [`Dial`],
//! and what they hand over. No I/O is done here.
//!
//! A kernel socket and a tailnet connection both fit, so that `expose` and
//! `connect` are the same machine with its two ends swapped.

use std::{fmt, future::Future, io, net::SocketAddr, time::Duration};

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};

pub use super::junction::{Lender, Mover};
pub use super::pipe::Socket;
use super::{destination::Destination, origin::Origin, peer::Peer, summary::Summary, terms::Terms};

/// A listener: where connections come from.
pub trait Accept: Send + 'static {
    /// What arrives.
    type Incoming: Incoming;

    /// Whether connections come in threads of the Go half, which can carry on who waits for
    /// them: see [`crate::turn`].
    const BY_HAND: bool = false;

    /// Waits for the next connection.
    ///
    /// # Errors
    /// An error of kind [`io::ErrorKind::NotConnected`] says that this listener
    /// will never accept again; after any other one the call may be repeated.
    ///
    /// # Cancel safety
    /// Cancel safe: a connection is either returned or left where it was.
    fn accept(&mut self) -> impl Future<Output = io::Result<Self::Incoming>> + Send;
}

/// A connection that has arrived and that nobody has taken yet.
pub trait Incoming: Send + 'static {
    /// What [`Incoming::claim`] gives.
    type Stream: Stream;

    /// Who connects.
    fn peer(&self) -> Peer;

    /// The address that it connected to, if there is one.
    fn local(&self) -> Option<SocketAddr>;

    /// Takes the connection. Immediate.
    ///
    /// # Errors
    /// The reason it cannot be taken, for example that the process has no file
    /// descriptor left. The peer has been refused then.
    fn claim(self) -> io::Result<Self::Stream>;

    /// Closes the connection at once with a reset. Immediate.
    fn refuse(self);
}

/// A target: where connections go to. Its `Display` is the target as configured.
pub trait Dial: fmt::Display + Send + Sync + 'static {
    /// What a dial gives.
    type Stream: Stream;

    /// One try, the resolution of the name included, within `budget`, for a
    /// connection that came from `origin`.
    ///
    /// # Errors
    /// What failed; [`DialError::retry`] says whether the same try can succeed later.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the try and leaves nothing behind.
    fn dial(
        &self,
        origin: &Origin,
        budget: Duration,
    ) -> impl Future<Output = Result<Self::Stream, DialError>> + Send;

    /// The target for a peer that asks to be led to `destination`; `None` when the
    /// target is no choice of the peer's, as for most.
    fn led_to(&self, _destination: &Destination) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }
}

/// A connection's bytes. `shutdown` ends the outgoing direction alone.
///
/// Dropping a stream closes it; only [`Stream::reset`] says that it broke.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// What must be said before the target is dialed, such as a TLS handshake;
    /// most streams have nothing to say.
    ///
    /// # Errors
    /// Why the connection is of no use.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the stream where it was; it may be asked again.
    fn open(&mut self) -> impl Future<Output = io::Result<()>> + Send {
        async { Ok(()) }
    }

    /// Carries to its end a connection whose opened peer asked for no target, but for
    /// what the stream does by itself; `None`, at once, for all others. Ends by itself
    /// on an abort.
    ///
    /// # Errors
    /// Why it could not even begin.
    ///
    /// # Cancel safety
    /// Dropping the future ends what it does; the stream is only good to be dropped.
    fn carry(
        &mut self,
        _terms: &Terms<'_>,
    ) -> impl Future<Output = io::Result<Option<Summary>>> + Send {
        async { Ok(None) }
    }

    /// Where the peer asked to be led while the stream was opened; most peers have
    /// no choice.
    fn asked(&self) -> Option<&Destination> {
        None
    }

    /// Tells the peer how the dial went, once, before anything is relayed; most
    /// streams have no words for it.
    ///
    /// # Errors
    /// When the peer could not be told; nothing may be relayed then.
    ///
    /// # Cancel safety
    /// None: a stream whose answer was cut short is only good to be dropped.
    fn answer(
        &mut self,
        _dialed: Result<(), &DialError>,
    ) -> impl Future<Output = io::Result<()>> + Send {
        async { Ok(()) }
    }

    /// How the incoming direction ended; asked after a read's EOF, which alone
    /// does not tell a clean end from a broken one.
    fn incoming_end(&mut self) -> End;

    /// Whether the connection broke, and how: never [`End::Clean`]. Asked at any
    /// time, to learn of a break that no read or write is there to meet. What
    /// came before the break can still be read.
    fn broken(&mut self) -> Option<End>;

    /// Bytes written that the other side's TCP has not acknowledged, including
    /// one for an unacknowledged end of stream where the kernel counts it so.
    ///
    /// # Errors
    /// When it cannot be known.
    fn unacknowledged(&self) -> io::Result<u64>;

    /// The socket that the bytes of a connection pass through as they are, which bulk
    /// may be moved through without being read; `None` when the stream changes them.
    fn socket(&self) -> Option<Socket<'_>> {
        None
    }

    /// Is told of an error that a write past the stream, to its socket, has met.
    fn write_failed(&mut self, _kind: io::ErrorKind) {}

    /// The connection as one that can move its bytes by itself, if it can.
    fn mover(&mut self) -> Option<&mut dyn Mover> {
        None
    }

    /// The stream as one that is a socket of the kernel's and nothing else, if it is.
    fn lender(&mut self) -> Option<&mut dyn Lender> {
        None
    }

    /// Closes the connection with a reset; what is unacknowledged is lost.
    fn reset(self);
}

/// How the bytes from one side came to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All bytes, then the end of stream.
    Clean,
    /// A reset.
    Reset,
    /// The other side stopped answering.
    TimedOut,
}

impl End {
    /// The end that a failed read or write speaks of.
    pub fn of(error: io::ErrorKind) -> Self {
        match error {
            io::ErrorKind::TimedOut
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown => Self::TimedOut,
            _ => Self::Reset,
        }
    }
}

/// Why a dial failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{kind}{}{detail}", if detail.is_empty() { "" } else { ": " })]
pub struct DialError {
    /// What sort of failure it is.
    pub kind: DialErrorKind,
    /// More about it, or empty. No secret.
    pub detail: String,
}

impl DialError {
    /// A failure with its detail.
    pub fn new(kind: DialErrorKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
        }
    }

    /// Whether the same dial can succeed later without anyone changing anything.
    pub fn retry(&self) -> bool {
        self.kind.retry()
    }
}

/// The sorts of dial failures: those of the seam's table that a dial can meet,
/// and `NoRoom`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DialErrorKind {
    /// The target answered that nothing listens there.
    #[error("refused")]
    Refused,
    /// The target reset the connection while it was being made.
    #[error("reset")]
    Reset,
    /// The network has no way to the target now.
    #[error("unreachable")]
    Unreachable,
    /// No answer in time.
    #[error("timed out")]
    TimedOut,
    /// The dial was given up from this side.
    #[error("canceled")]
    Canceled,
    /// The address cannot be understood.
    #[error("bad address")]
    BadAddress,
    /// No such name.
    #[error("unknown name")]
    UnknownName,
    /// The address is no peer's and no route of the tailnet leads there.
    #[error("not in the tailnet")]
    NotInTailnet,
    /// The node is not connected to its tailnet.
    #[error("the node is not running")]
    NotRunning,
    /// The node is closed.
    #[error("the node is closed")]
    Closed,
    /// The process or the system has no file descriptor or memory left.
    #[error("out of file descriptors or memory")]
    NoRoom,
    /// A fault of this side.
    #[error("internal error")]
    Internal,
}

impl DialErrorKind {
    /// Its name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::Canceled => "canceled",
            Self::BadAddress => "bad_address",
            Self::UnknownName => "unknown_name",
            Self::NotInTailnet => "not_in_tailnet",
            Self::NotRunning => "not_running",
            Self::Closed => "closed",
            Self::NoRoom => "no_room",
            Self::Internal => "internal",
        }
    }

    /// Whether the same dial can succeed later without anyone changing anything.
    pub fn retry(self) -> bool {
        match self {
            Self::Refused
            | Self::Reset
            | Self::Unreachable
            | Self::TimedOut
            | Self::NotRunning
            | Self::NoRoom => true,
            Self::Canceled
            | Self::BadAddress
            | Self::UnknownName
            | Self::NotInTailnet
            | Self::Closed
            | Self::Internal => false,
        }
    }
}
