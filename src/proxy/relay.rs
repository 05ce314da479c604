//! The relay: carries bytes between the two sides of a connection, one
//! independent loop a direction, until both directions have ended.
//!
//! It keeps four promises: a half-close passes on alone and after every byte;
//! no byte that a side sent before it ended or broke is thrown away while the
//! other side can still take it; a broken connection never looks like a finished
//! one; nothing waits without a bound, save for bytes that a live side may still
//! send.
//!
//! What is done, seen from a side X that the direction to Y reads (`D` is
//! [`Limits::delivery`]: the time after which a delivery that makes no progress,
//! in bytes taken or acknowledged, is given up):
//!
//! | reading X | writing Y | what is done |
//! |---|---|---|
//! | bytes | taken | copy |
//! | bytes | blocked | wait: X feels it; should X have broken meanwhile, wait at most `D` without progress |
//! | clean end | open | all is written, then Y's outgoing direction alone is shut down |
//! | clean end | failed | nothing: how X ends is decided by how reading Y ends |
//! | clean end, X breaks later | done | the direction to X is discarded as below; Y may finish, else is reset after `D` |
//! | reset, timed out | open | all is written, Y is reset when it has acknowledged all, or after `D` without progress |
//! | reset, timed out | failed | both are dead: both are reset |
//! | bytes | failed | X's bytes are read and dropped, no faster than a gigabit network brings them, while the other direction delivers to X and for `D` after its last progress |
//! | any | Y broke, seen by reading Y | as after a failed write, until what Y sent has reached X; then X is reset |
//! | any | nothing moves either way for the idle time | both are reset |
//! | any | the abort token is cancelled | both are reset |
//!
//! "After a failed write, reading decides" matters for early answers: a target
//! that answers in full and closes while the peer still uploads makes every
//! write to it fail, while its answer is still on the way. Were the peer's bytes
//! left unread, closing its connection would reset it and destroy the answer.
//!
//! As long as bytes just flow between the tailnet and a socket, the Go half moves them
//! ([`super::junction`]); the first thing that the table speaks of brings them here.
//!
//! At the end a side is closed in the ordinary way when its own bytes ended
//! cleanly and the end of stream was sent to it, and reset in all other cases.
//! Dropping the relay resets both sides, so that a panic or a cancelled task
//! cannot pass a torn connection off as a finished one.

use std::pin::pin;

use tokio_util::sync::CancellationToken;

use super::{
    course::Course,
    direction::Direction,
    endpoint::Stream,
    junction,
    side::{Held, Side},
    summary::{DirectionEnd, Party, Summary},
};
use crate::{telemetry::metrics::Traffic, turn};

pub use super::limits::{DELIVERY, Limits};

/// Relays between the side that connected and the side that was dialed, until
/// both directions have ended, the idle time is over or `abort` is cancelled.
/// Bytes are added to `totals` as they are delivered.
///
/// # Cancel safety
/// Dropping the future resets both sides.
pub async fn relay<P: Stream, T: Stream>(
    peer: Held<P>,
    target: Held<T>,
    limits: Limits,
    totals: &Traffic,
    abort: &CancellationToken,
) -> Summary {
    let (peer, target) = (Side::new(peer), Side::new(target));
    let course = Course::new(limits);
    let to_target = Direction::new(&peer, &target, Party::Peer, &course, totals.to_target);
    let to_peer = Direction::new(&target, &peer, Party::Target, &course, totals.to_peer);

    let whole = async {
        let over = junction::pass(&peer, &target, &course, totals).await;
        if !over {
            turn::leave().await; // bytes to move are nothing for somebody else's thread
        }
        both(&to_target, &to_peer).await;
    };
    let progress = || {
        let moved = [junction::moved(&peer), junction::moved(&target)];
        (peer.unacknowledged(), target.unacknowledged(), moved)
    };
    let unfinished = tokio::select! {
        biased;
        () = abort.cancelled() => DirectionEnd::Aborted,
        () = whole => DirectionEnd::Cut,
        () = course.idle(progress) => DirectionEnd::Idle,
    };
    let summary = Summary {
        to_target: to_target.flow(unfinished),
        to_peer: to_peer.flow(unfinished),
        first: course.first(),
        datagrams: None,
    };
    peer.finish();
    target.finish();
    summary
}

/// Runs both directions until both have ended, or one has ended by a break that
/// ends the connection.
async fn both<P: Stream, T: Stream>(
    to_target: &Direction<'_, P, T>,
    to_peer: &Direction<'_, T, P>,
) {
    let mut forth = pin!(to_target.run());
    let mut back = pin!(to_peer.run());
    tokio::select! {
        end = &mut forth => if !end.breaks() {
            tokio::select! {
                _ = back => {}
                never = to_target.watch() => match never {},
            }
        },
        end = &mut back => if !end.breaks() {
            tokio::select! {
                _ = forth => {}
                never = to_peer.watch() => match never {},
            }
        },
    }
}
