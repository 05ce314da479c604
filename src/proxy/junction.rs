//! A junction: bytes that the Go half moves between the tailnet and a lent socket, and
//! that no task here is woken for.
//!
//! A byte's way through this half is a thread that sleeps until it comes. On two
//! processors waking that thread, twice for a request and its answer, was a quarter of
//! an answer's time. And nothing is decided while bytes flow, nor when a clean end is
//! answered by one. So both sides are joined as soon as they are there, and part at the
//! first thing that wants a decision: an error, a receiver that takes nothing, an end
//! after which the other side goes on. Then [`super::relay`] has them, with every byte
//! that was under way in its place, for the rest of the connection.

use std::{
    future::poll_fn,
    io,
    os::fd::OwnedFd,
    sync::atomic::AtomicU64,
    task::{Context, Poll},
};

use super::{
    course::Course,
    endpoint::Stream,
    side::Side,
    summary::{DirectionEnd, Party},
};
use crate::telemetry::metrics::Traffic;

/// A connection that can move bytes between itself and a socket.
pub trait Mover {
    /// Begins to, and adds what passes to `incoming`, from the connection to the socket,
    /// and `outgoing`. Immediate.
    ///
    /// # Errors
    /// The socket, if it does not; then nothing has changed.
    fn join(
        &mut self,
        socket: OwnedFd,
        incoming: &'static AtomicU64,
        outgoing: &'static AtomicU64,
    ) -> Result<(), OwnedFd>;

    /// Waits until it has stopped in both directions, and gives the socket back.
    ///
    /// # Errors
    /// When the connection is over, and the socket closed with it.
    fn poll_parted(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Returned>>;

    /// What was moved so far.
    fn moved(&self) -> Moved;
}

/// A stream whose bytes are those of one socket of the kernel's.
pub trait Lender {
    /// Gives the socket away: closed, it is reset. Until it is taken back the stream has
    /// broken.
    ///
    /// # Errors
    /// When it has broken before.
    fn lend(&mut self) -> io::Result<OwnedFd>;

    /// Takes the socket back, if there is one.
    fn take_back(&mut self, returned: Returned);
}

/// A socket that others have used, and what its kernel told them: it tells a break once.
#[derive(Debug)]
pub struct Returned {
    /// The socket, unless it has come to both of its ends: it is closed then.
    pub socket: Option<OwnedFd>,
    /// What who read it was told.
    pub reading: Option<io::ErrorKind>,
    /// What who wrote it was told.
    pub writing: Option<io::ErrorKind>,
    /// The clean ends that were passed on, in their order.
    pub ended: Vec<Ended>,
    /// What was moved.
    pub moved: Moved,
}

/// A direction through a junction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// From the connection to the socket.
    Incoming,
    /// From the socket to the connection.
    Outgoing,
}

/// What went through a junction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// Bytes from the connection to the socket.
    pub incoming: u64,
    /// Of these, what the socket's other end has not acknowledged.
    pub unacknowledged: u64,
    /// Bytes from the socket to the connection.
    pub outgoing: u64,
}

/// Has bytes pass by themselves, if these two sides can be joined, until something else
/// comes, and says whether that was the end of both directions. Nothing may have been read
/// of the tailnet's side.
///
/// # Cancel safety
/// Dropping the future leaves both sides good to be reset alone.
pub(super) async fn pass<P: Stream, T: Stream>(
    peer: &Side<P>,
    target: &Side<T>,
    course: &Course,
    totals: &Traffic,
) -> bool {
    let &Traffic { to_target, to_peer } = totals;
    if let Some(junction) = Junction::new(peer, target, to_target, to_peer) {
        junction.parted(Party::Peer, course).await
    } else if let Some(junction) = Junction::new(target, peer, to_peer, to_target) {
        junction.parted(Party::Target, course).await
    } else {
        false
    }
}

/// What a side has moved by itself.
pub(super) fn moved<S: Stream>(side: &Side<S>) -> Moved {
    let moved = side.with(|stream| stream.mover().map(|mover| mover.moved()));
    moved.flatten().unwrap_or_default()
}

/// Two sides that are joined. Dropped, it says to each what has reached it.
struct Junction<'a, M: Stream, L: Stream> {
    mover: &'a Side<M>,
    lender: &'a Side<L>,
    told: Option<Moved>,
}

impl<'a, M: Stream, L: Stream> Junction<'a, M, L> {
    /// Joins two sides; `None` when they cannot be, and are as they were.
    fn new(
        mover: &'a Side<M>,
        lender: &'a Side<L>,
        incoming: &'static AtomicU64,
        outgoing: &'static AtomicU64,
    ) -> Option<Self> {
        #[cfg(debug_assertions)]
        if super::failpoint::is_set() {
            return None;
        }
        let joined = mover.with(|stream| {
            let mover = stream.mover()?;
            lender.with(|stream| {
                let lender = stream.lender()?;
                // A side that has broken shows that to who reads it.
                let socket = lender.lend().ok()?;
                let kept = mover.join(socket, incoming, outgoing).err();
                let Some(socket) = kept else {
                    return Some(());
                };
                lender.take_back(Returned {
                    socket: Some(socket),
                    reading: None,
                    writing: None,
                    ended: Vec::new(),
                    moved: Moved::default(),
                });
                None
            })?
        });
        joined.flatten().map(|()| Self {
            mover,
            lender,
            told: None,
        })
    }

    /// Waits for the end of the junction, whose mover is `party`, and says whether both
    /// directions have come to theirs.
    async fn parted(mut self, party: Party, course: &Course) -> bool {
        let parted = poll_fn(|cx| {
            self.mover
                .poll(cx, |stream, cx| match stream.get_mut().mover() {
                    Some(mover) => mover.poll_parted(cx),
                    None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
                })
        });
        // A connection that is over, or a socket that is, shows that to who reads it.
        let Ok(returned) = parted.await else {
            return false;
        };
        let Returned {
            reading,
            writing,
            ended,
            ..
        } = &returned;
        tracing::debug!(?reading, ?writing, ?ended, "a lent socket is back");
        self.told = Some(returned.moved);
        for &ended in &returned.ended {
            let source = match ended {
                Ended::Incoming => {
                    self.mover.read_to_its_end();
                    self.lender.sent_the_end();
                    party
                }
                Ended::Outgoing => {
                    self.lender.read_to_its_end();
                    self.mover.sent_the_end();
                    party.other()
                }
            };
            course.ended(source, DirectionEnd::Clean);
        }
        let over = returned.socket.is_none();
        self.lender
            .with(|stream| stream.lender().map(|lender| lender.take_back(returned)));
        over
    }
}

impl<M: Stream, L: Stream> Drop for Junction<'_, M, L> {
    fn drop(&mut self) {
        let moved = self.told.unwrap_or_else(|| moved(self.mover));
        self.lender.credit(moved.incoming);
        self.mover.credit(moved.outgoing);
    }
}
