//! The datagrams of a flow, both ways, until it is over.

use std::{io, pin::pin, sync::atomic::Ordering::Relaxed, time::Duration};

use bytes::Bytes;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    super::{endpoint::End, summary::Party},
    link::{Link, Sent},
};
use crate::telemetry::metrics::{Ended, Metrics};

/// A flow's idle time once the program is stopping, if that is shorter: what is
/// under way may end, and nothing tells a silent flow from a finished one.
pub(in crate::proxy) const IDLE_IN_DRAIN: Duration = Duration::from_secs(1);

/// What has moved so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::proxy) struct Tally {
    pub(in crate::proxy) to_target: Way,
    pub(in crate::proxy) to_peer: Way,
    /// Datagrams of both ways that were dropped.
    pub(in crate::proxy) dropped: u64,
    /// Those of them that were dropped before they came here.
    before: u64,
}

/// One way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::proxy) struct Way {
    pub(in crate::proxy) datagrams: u64,
    pub(in crate::proxy) bytes: u64,
}

/// How a flow ended.
#[derive(Debug)]
pub(in crate::proxy) enum FlowEnd {
    /// Nothing moved for the idle time.
    Idle,
    /// A side closed it.
    Closed(Party),
    /// A side broke it, or answered that it is not there.
    Broken(Party, io::Error),
}

impl FlowEnd {
    /// As one word.
    pub(super) fn word(&self) -> Ended {
        match self {
            Self::Idle => Ended::Idle,
            Self::Closed(_) => Ended::Clean,
            Self::Broken(_, error) => match End::of(error.kind()) {
                End::TimedOut => Ended::TimedOut,
                End::Reset | End::Clean => Ended::Reset,
            },
        }
    }

    /// Whose doing it was.
    pub(super) fn by(&self) -> Option<Party> {
        match self {
            Self::Idle => None,
            Self::Closed(by) | Self::Broken(by, _) => Some(*by),
        }
    }
}

/// Carries datagrams until a side has ended the flow or nothing has moved for
/// `idle`; for a shorter time once `drain` is cancelled.
///
/// # Cancel safety
/// `tally` holds what has moved; a datagram that was just being sent may be lost.
pub(in crate::proxy) async fn carry<P: Link, T: Link>(
    peer: &mut P,
    target: &mut T,
    mut idle: Duration,
    drain: &CancellationToken,
    tally: &mut Tally,
    metrics: &Metrics,
) -> FlowEnd {
    let totals = metrics.traffic();
    let mut moved = Instant::now();
    let mut draining = false;
    let mut timer = pin!(sleep(idle));
    loop {
        let (from, received) = tokio::select! {
            received = peer.recv() => (Party::Peer, received),
            received = target.recv() => (Party::Target, received),
            () = &mut timer => {
                // The datagrams since have not moved the timer.
                if moved.elapsed() >= idle {
                    tally.drop_before(peer.dropped() + target.dropped(), metrics);
                    return FlowEnd::Idle;
                }
                timer.as_mut().reset(moved + idle);
                continue;
            }
            () = drain.cancelled(), if !draining => {
                draining = true;
                idle = idle.min(IDLE_IN_DRAIN);
                timer.as_mut().reset(moved + idle);
                continue;
            }
        };
        moved = Instant::now();
        tally.drop_before(peer.dropped() + target.dropped(), metrics);
        let sent = match from {
            Party::Peer => pass(received, from, target).await,
            Party::Target => pass(received, from, peer).await,
        };
        let (way, total) = match from {
            Party::Peer => (&mut tally.to_target, &totals.to_target),
            Party::Target => (&mut tally.to_peer, &totals.to_peer),
        };
        match sent {
            Ok((Sent::Whole, bytes)) => {
                way.datagrams += 1;
                way.bytes += bytes;
                total.fetch_add(bytes, Relaxed);
            }
            Ok((Sent::Dropped, _)) => {
                tally.dropped += 1;
                metrics.drop_datagrams(1);
            }
            Err(end) => return end,
        }
    }
}

/// Sends on what was received, if anything was: what became of it, and its length.
async fn pass<L: Link>(
    received: io::Result<Option<Bytes>>,
    from: Party,
    to: &mut L,
) -> Result<(Sent, u64), FlowEnd> {
    match received {
        Ok(Some(datagram)) => match to.send(&datagram).await {
            Ok(sent) => Ok((sent, datagram.len() as u64)),
            Err(error) => Err(FlowEnd::Broken(from.other(), error)),
        },
        Ok(None) => Err(FlowEnd::Closed(from)),
        Err(error) => Err(FlowEnd::Broken(from, error)),
    }
}

impl Tally {
    /// Adds what has moved elsewhere.
    pub(in crate::proxy) fn add(&mut self, other: &Self) {
        for (way, more) in [
            (&mut self.to_target, &other.to_target),
            (&mut self.to_peer, &other.to_peer),
        ] {
            way.datagrams += more.datagrams;
            way.bytes += more.bytes;
        }
        self.dropped += other.dropped;
    }

    /// Adds what was dropped before it came here, of which `before` in all.
    fn drop_before(&mut self, before: u64, metrics: &Metrics) {
        let more = before.saturating_sub(self.before);
        if more > 0 {
            self.before = before;
            self.dropped += more;
            metrics.drop_datagrams(more);
        }
    }
}
