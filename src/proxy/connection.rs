//! The life of one connection: the gate, the opening and the dial within the
//! budget, the relay, one closing line in the log, slot given back.

use std::{io, sync::Arc, time::SystemTime};

use tokio::time::{Instant, timeout};

use super::{
    Settings,
    endpoint::{Dial, DialError, Stream},
    gate::{Admission, Denied, Gate},
    opening::{self, Failed},
    origin::Origin,
    relay::relay,
    side::Held,
    slots::{Slot, Slots},
    summary::Summary,
    terms::Terms,
};
use crate::{
    shutdown::Shutdown,
    telemetry::{
        logging,
        metrics::{Active, Ended},
        recent::Past,
    },
    turn,
};

/// What the connections of a forward share.
#[derive(Debug)]
pub(super) struct Context<D, G> {
    pub(super) forward: String,
    pub(super) gate: G,
    pub(super) target: D,
    pub(super) settings: Settings,
    /// Where a connection claims its own slot, and those for what it holds besides.
    pub(super) slots: Slots,
    pub(super) shutdown: Shutdown,
}

/// A claimed connection on its way to its target.
///
/// Dropped before [`Connection::run`] is through, by a panic or with its task,
/// it resets both sides, counts itself and says so.
pub(super) struct Connection<D: Dial, G: Gate, S: Stream> {
    context: Arc<Context<D, G>>,
    origin: Origin,
    /// The target that the peer chose, if that was its choice.
    led_to: Option<D>,
    // Before the slot: a socket is closed before its place is given away.
    peer: Option<Held<S>>,
    admission: Option<Admission>,
    active: Option<Active>,
    start: Instant,
    _slot: Slot,
}

impl<D: Dial, G: Gate, S: Stream> Connection<D, G, S> {
    pub(super) fn new(
        context: Arc<Context<D, G>>,
        origin: Origin,
        peer: S,
        active: Active,
        slot: Slot,
    ) -> Self {
        Self {
            context,
            origin,
            led_to: None,
            peer: Some(Held::new(peer)),
            admission: None,
            active: Some(active),
            start: Instant::now(),
            _slot: slot,
        }
    }

    /// Carries the connection to its end.
    pub(super) async fn run(mut self) {
        let outcome = self.carry().await;
        let ended = match &outcome {
            Outcome::Relayed(summary) => summary.ended(),
            Outcome::Undialed(_) => Ended::DialFailed,
            Outcome::Denied(_) => Ended::Denied,
            Outcome::Unopened(_) => Ended::OpenFailed,
            Outcome::Aborted => Ended::Aborted,
        };
        // The thread that brings connections waits for no log.
        if !matches!(outcome, Outcome::Relayed(_)) || logging::is_held_up() {
            turn::leave().await;
        }
        self.log(&outcome, ended);
        if let Some(active) = self.active.take() {
            active
                .metrics()
                .recent()
                .remember(self.past(Some(&outcome), ended));
            active.end(ended);
        }
    }

    fn target(&self) -> &D {
        self.led_to.as_ref().unwrap_or(&self.context.target)
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
            peer: self.origin.peer.to_string(),
            who: self.origin.identity.shown(),
            target: self.target().to_string(),
            to_target,
            to_peer,
            duration: self.start.elapsed(),
            ended,
        }
    }

    async fn carry(&mut self) -> Outcome {
        let context = Arc::clone(&self.context);
        let Settings {
            dial_timeout,
            limits,
        } = context.settings;
        let abort = &context.shutdown.abort;
        let (Some(mut peer), Some(active)) = (self.peer.take(), &self.active) else {
            return Outcome::Aborted;
        };
        let admitted = tokio::select! {
            biased;
            () = abort.cancelled() => return Outcome::Aborted,
            admitted = timeout(dial_timeout, context.gate.admit(&self.origin.peer)) => admitted,
        };
        let no_answer = |_| Err(Denied::new(format!("no answer in {dial_timeout:?}")));
        match admitted.unwrap_or_else(no_answer) {
            Ok(admission) => {
                self.origin.identity = admission.identity.clone();
                self.admission = Some(admission);
            }
            Err(denied) => {
                self.origin.identity = denied.identity.clone();
                return Outcome::Denied(denied);
            }
        }
        let (target, metrics) = (&context.target, active.metrics());
        let opened = tokio::select! {
            biased;
            () = abort.cancelled() => return Outcome::Aborted,
            opened = opening::open(&mut peer, dial_timeout) => opened,
        };
        if let Err(failed) = opened {
            return failed.into();
        }
        let terms = Terms {
            origin: &self.origin,
            settings: context.settings,
            slots: &context.slots,
            metrics,
            shutdown: &context.shutdown,
        };
        if let Some(outcome) = alone(&mut peer, &terms).await {
            if matches!(&outcome, Outcome::Relayed(summary) if summary.ended() == Ended::Clean) {
                peer.close();
            }
            return outcome;
        }
        let opened = tokio::select! {
            biased;
            () = abort.cancelled() => return Outcome::Aborted,
            opened = opening::lead(
                &mut peer, &self.origin, target, &mut self.led_to, dial_timeout, metrics,
            ) => opened,
        };
        match opened {
            Ok(target) => {
                let totals = metrics.traffic();
                Outcome::Relayed(relay(peer, target, limits, totals, abort).await)
            }
            Err(failed) => failed.into(),
        }
    }

    fn log(&self, outcome: &Outcome, ended: Ended) {
        let Context { forward, .. } = &*self.context;
        let target = self.target();
        let Origin { peer, identity, .. } = &self.origin;
        let (user, node) = (identity.user(), identity.node());
        let duration_ms = milliseconds(self.start);
        let ended = ended.as_str();
        match outcome {
            Outcome::Relayed(summary) => tracing::info!(
                forward,
                %peer,
                user,
                node,
                %target,
                to_target = summary.to_target.bytes,
                to_peer = summary.to_peer.bytes,
                duration_ms,
                %ended,
                to_target_end = %summary.to_target.end,
                to_peer_end = %summary.to_peer.end,
                discarded = summary.to_target.discarded + summary.to_peer.discarded,
                to_target_datagrams = summary.datagrams.map(|count| count.to_target),
                to_peer_datagrams = summary.datagrams.map(|count| count.to_peer),
                dropped = summary.datagrams.map(|count| count.dropped),
                ended_by = %summary.first.map_or("tailport".to_owned(), |by| by.to_string()),
                "connection ended"
            ),
            Outcome::Undialed(error) => tracing::warn!(
                forward, %peer, user, node, %target, to_target = 0, to_peer = 0, duration_ms, %ended,
                %error,
                "connection ended"
            ),
            Outcome::Denied(denied) => tracing::warn!(
                forward, %peer, user, node, %target, to_target = 0, to_peer = 0, duration_ms, %ended,
                reason = %denied,
                "connection ended"
            ),
            Outcome::Unopened(error) => tracing::warn!(
                forward, %peer, user, node, %target, to_target = 0, to_peer = 0, duration_ms, %ended,
                %error,
                "connection ended"
            ),
            Outcome::Aborted => tracing::info!(
                forward, %peer, user, node, %target, to_target = 0, to_peer = 0, duration_ms, %ended,
                "connection ended"
            ),
        }
    }
}

impl<D: Dial, G: Gate, S: Stream> Drop for Connection<D, G, S> {
    fn drop(&mut self) {
        let Some(active) = self.active.take() else {
            return;
        };
        // `active` counts this end by itself, after the sockets are closed.
        drop(self.peer.take());
        tracing::error!(
            forward = self.context.forward,
            peer = %self.origin.peer,
            user = self.origin.identity.user(),
            node = self.origin.identity.node(),
            target = %self.target(),
            duration_ms = milliseconds(self.start),
            ended = %active.would_end().as_str(),
            "connection ended"
        );
        let past = self.past(None, active.would_end());
        active.metrics().recent().remember(past);
    }
}

enum Outcome {
    Relayed(Summary),
    Undialed(DialError),
    Denied(Denied),
    Unopened(io::Error),
    Aborted,
}

impl From<Failed> for Outcome {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Open(error) => Self::Unopened(error),
            Failed::Dial(error) => Self::Undialed(error),
        }
    }
}

/// What becomes of a peer that needs no target; `None` when it needs one.
async fn alone<S: Stream>(peer: &mut Held<S>, terms: &Terms<'_>) -> Option<Outcome> {
    match peer.get_mut()?.carry(terms).await {
        Ok(summary) => summary.map(Outcome::Relayed),
        Err(_) if terms.shutdown.abort.is_cancelled() => Some(Outcome::Aborted),
        Err(error) => Some(Outcome::Unopened(error)),
    }
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
