//! The life of one connection: dial within the budget, relay, one closing line
//! in the log, slot given back.

use std::{sync::Arc, time::SystemTime};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    Settings, dial,
    endpoint::{Dial, DialError, Stream},
    peer::Peer,
    relay::relay,
    side::Held,
    slots::Slot,
    summary::Summary,
};
use crate::telemetry::{
    metrics::{Active, Ended},
    recent::Past,
};

/// What the connections of a forward share.
#[derive(Debug)]
pub(super) struct Context<D> {
    pub(super) forward: String,
    pub(super) target: D,
    pub(super) settings: Settings,
    pub(super) abort: CancellationToken,
}

/// A claimed connection on its way to its target.
///
/// Dropped before [`Connection::run`] is through, by a panic or with its task,
/// it resets both sides, counts itself and says so.
pub(super) struct Connection<D: Dial, S: Stream> {
    context: Arc<Context<D>>,
    remote: Peer,
    // Before the slot: a socket is closed before its place is given away.
    peer: Option<Held<S>>,
    active: Option<Active>,
    start: Instant,
    _slot: Slot,
}

impl<D: Dial, S: Stream> Connection<D, S> {
    pub(super) fn new(
        context: Arc<Context<D>>,
        remote: Peer,
        peer: S,
        active: Active,
        slot: Slot,
    ) -> Self {
        Self {
            context,
            remote,
            peer: Some(Held::new(peer)),
            active: Some(active),
            start: Instant::now(),
            _slot: slot,
        }
    }

    /// Carries the connection to its end.
    pub(super) async fn run(mut self) {
        let (Some(peer), Some(active)) = (self.peer.take(), self.active.as_ref()) else {
            return;
        };
        let outcome = connect(&self.context, peer, active).await;
        let ended = match &outcome {
            Outcome::Relayed(summary) => summary.ended(),
            Outcome::Undialed(_) => Ended::DialFailed,
            Outcome::Aborted => Ended::Aborted,
        };
        self.log(&outcome, ended);
        if let Some(active) = self.active.take() {
            active
                .metrics()
                .recent()
                .remember(self.past(Some(&outcome), ended));
            active.end(ended);
        }
    }

    /// What is remembered of it; without an outcome the bytes are not known.
    fn past(&self, outcome: Option<&Outcome>, ended: Ended) -> Past {
        let (to_target, to_peer) = match outcome {
            Some(Outcome::Relayed(summary)) => (summary.to_target.bytes, summary.to_peer.bytes),
            _ => (0, 0),
        };
        Past {
            at: SystemTime::now(),
            forward: self.context.forward.clone(),
            peer: self.remote.to_string(),
            who: None,
            target: self.context.target.to_string(),
            to_target,
            to_peer,
            duration: self.start.elapsed(),
            ended,
        }
    }

    fn log(&self, outcome: &Outcome, ended: Ended) {
        let Context {
            forward, target, ..
        } = &*self.context;
        let peer = self.remote;
        let duration_ms = milliseconds(self.start);
        let ended = ended.as_str();
        match outcome {
            Outcome::Relayed(summary) => tracing::info!(
                forward,
                %peer,
                %target,
                to_target = summary.to_target.bytes,
                to_peer = summary.to_peer.bytes,
                duration_ms,
                ended,
                to_target_end = %summary.to_target.end,
                to_peer_end = %summary.to_peer.end,
                discarded = summary.to_target.discarded + summary.to_peer.discarded,
                ended_by = %summary.first.map_or("tailport".to_owned(), |by| by.to_string()),
                "connection ended"
            ),
            Outcome::Undialed(error) => tracing::warn!(
                forward, %peer, %target, to_target = 0, to_peer = 0, duration_ms, ended, %error,
                "connection ended"
            ),
            Outcome::Aborted => tracing::info!(
                forward, %peer, %target, to_target = 0, to_peer = 0, duration_ms, ended,
                "connection ended"
            ),
        }
    }
}

impl<D: Dial, S: Stream> Drop for Connection<D, S> {
    fn drop(&mut self) {
        let Some(active) = self.active.take() else {
            return;
        };
        // `active` counts this end by itself, after the sockets are closed.
        drop(self.peer.take());
        tracing::error!(
            forward = self.context.forward,
            peer = %self.remote,
            target = %self.context.target,
            duration_ms = milliseconds(self.start),
            ended = active.would_end().as_str(),
            "connection ended"
        );
        let past = self.past(None, active.would_end());
        active.metrics().recent().remember(past);
    }
}

enum Outcome {
    Relayed(Summary),
    Undialed(DialError),
    Aborted,
}

async fn connect<D: Dial, S: Stream>(
    context: &Context<D>,
    peer: Held<S>,
    active: &Active,
) -> Outcome {
    let Settings {
        dial_timeout,
        limits,
    } = context.settings;
    let start = Instant::now();
    let dialed = tokio::select! {
        biased;
        () = context.abort.cancelled() => return Outcome::Aborted,
        dialed = dial::dial(&context.target, dial_timeout) => dialed,
    };
    let failure = dialed.as_ref().err().map(|error| error.kind.as_str());
    active.metrics().dialed(start.elapsed(), failure);
    let target = match dialed {
        Ok(target) => Held::new(target),
        Err(error) => return Outcome::Undialed(error),
    };
    let totals = active.metrics().traffic();
    Outcome::Relayed(relay(peer, target, limits, totals, &context.abort).await)
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
