//! The life of one flow: the gate, the dial within the budget, its datagrams, one
//! closing line in the log, slot given back.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::{Instant, timeout};

use super::{
    super::{
        endpoint::{DialError, DialErrorKind},
        gate::{Admission, Denied, Gate},
        origin::Identity,
        peer::Peer,
        slots::Slot,
    },
    UdpSettings,
    carry::{FlowEnd, Tally, carry},
    link::{FlowTarget, Link},
};
use crate::{
    shutdown::Shutdown,
    telemetry::{
        metrics::{Active, Ended, Metrics},
        recent::Past,
    },
};

/// What the flows of a forward share.
#[derive(Debug)]
pub(super) struct Context<T, G> {
    pub(super) forward: String,
    pub(super) gate: G,
    pub(super) target: T,
    pub(super) settings: UdpSettings,
    pub(super) shutdown: Shutdown,
}

/// A claimed flow on its way to its target.
///
/// Dropped before [`Flow::run`] is through, by a panic or with its task, it counts
/// itself and says so.
pub(super) struct Flow<T: FlowTarget, G: Gate, L: Link> {
    context: Arc<Context<T, G>>,
    remote: Peer,
    /// Who that is, as far as the gate has found out.
    identity: Identity,
    // Before the slot: a flow is forgotten before its place is given away.
    link: Option<L>,
    tally: Tally,
    admission: Option<Admission>,
    active: Option<Active>,
    start: Instant,
    _slot: Slot,
}

impl<T: FlowTarget, G: Gate, L: Link> Flow<T, G, L> {
    pub(super) fn new(
        context: Arc<Context<T, G>>,
        remote: Peer,
        link: L,
        active: Active,
        slot: Slot,
    ) -> Self {
        Self {
            context,
            remote,
            identity: Identity::default(),
            link: Some(link),
            tally: Tally::default(),
            admission: None,
            active: Some(active),
            start: Instant::now(),
            _slot: slot,
        }
    }

    /// Carries the flow to its end.
    pub(super) async fn run(mut self) {
        let context = Arc::clone(&self.context);
        let outcome = tokio::select! {
            biased;
            () = context.shutdown.abort.cancelled() => Outcome::Aborted,
            outcome = self.lead(&context) => outcome,
        };
        drop(self.link.take());
        let ended = outcome.word();
        self.log(&outcome, ended);
        if let Some(active) = self.active.take() {
            active.metrics().recent().remember(self.past(ended));
            active.end(ended);
        }
    }

    async fn lead(&mut self, context: &Context<T, G>) -> Outcome {
        let (Some(peer), Some(active)) = (self.link.as_mut(), self.active.as_ref()) else {
            return Outcome::Aborted;
        };
        let UdpSettings { dial_timeout, idle } = context.settings;
        let admitted = timeout(dial_timeout, context.gate.admit(&self.remote))
            .await
            .unwrap_or_else(|_| Err(Denied::new(format!("no answer in {dial_timeout:?}"))));
        match admitted {
            Ok(admission) => {
                self.identity = admission.identity.clone();
                self.admission = Some(admission);
            }
            Err(denied) => {
                self.identity = denied.identity.clone();
                return Outcome::Denied(denied);
            }
        }
        let metrics = active.metrics();
        let dialed = dial(&context.target, dial_timeout, metrics).await;
        match dialed {
            Ok(mut target) => {
                let drain = &context.shutdown.drain;
                let tally = &mut self.tally;
                Outcome::Carried(carry(peer, &mut target, idle, drain, tally, metrics).await)
            }
            Err(error) => Outcome::Undialed(error),
        }
    }

    fn past(&self, ended: Ended) -> Past {
        Past {
            at: SystemTime::now(),
            forward: self.context.forward.clone(),
            peer: self.remote.to_string(),
            who: self.identity.shown(),
            target: self.context.target.to_string(),
            to_target: self.tally.to_target.bytes,
            to_peer: self.tally.to_peer.bytes,
            duration: self.start.elapsed(),
            ended,
        }
    }

    fn log(&self, outcome: &Outcome, ended: Ended) {
        let Context {
            forward, target, ..
        } = &*self.context;
        let (peer, tally) = (self.remote, &self.tally);
        let (user, node) = (self.identity.user(), self.identity.node());
        let duration_ms = milliseconds(self.start);
        let ended = ended.as_str();
        match outcome {
            Outcome::Undialed(error) => tracing::warn!(
                forward, %peer, user, node, %target, to_target = 0, to_peer = 0, duration_ms, %ended,
                %error,
                "flow ended"
            ),
            Outcome::Denied(denied) => tracing::warn!(
                forward, %peer, user, node, %target, to_target = 0, to_peer = 0, duration_ms, %ended,
                reason = %denied,
                "flow ended"
            ),
            Outcome::Carried(_) | Outcome::Aborted => tracing::info!(
                forward,
                %peer,
                user,
                node,
                %target,
                to_target = tally.to_target.bytes,
                to_peer = tally.to_peer.bytes,
                to_target_datagrams = tally.to_target.datagrams,
                to_peer_datagrams = tally.to_peer.datagrams,
                dropped = tally.dropped,
                duration_ms,
                %ended,
                ended_by = %outcome.by(),
                error = outcome.error(),
                "flow ended"
            ),
        }
    }
}

impl<T: FlowTarget, G: Gate, L: Link> Drop for Flow<T, G, L> {
    fn drop(&mut self) {
        let Some(active) = self.active.take() else {
            return;
        };
        // `active` counts this end by itself, after the flow is forgotten.
        drop(self.link.take());
        let ended = active.would_end();
        tracing::error!(
            forward = self.context.forward,
            peer = %self.remote,
            user = self.identity.user(),
            node = self.identity.node(),
            target = %self.context.target,
            duration_ms = milliseconds(self.start),
            ended = ended.as_str(),
            "flow ended"
        );
        active.metrics().recent().remember(self.past(ended));
    }
}

/// Dials within the budget, and counts it.
pub(in crate::proxy) async fn dial<T: FlowTarget>(
    target: &T,
    budget: Duration,
    metrics: &Metrics,
) -> Result<T::Link, DialError> {
    let start = Instant::now();
    let dialed = timeout(budget, target.dial(budget))
        .await
        .unwrap_or_else(|_| {
            let detail = format!("no answer in {budget:?}");
            Err(DialError::new(DialErrorKind::TimedOut, detail))
        });
    let failure = dialed.as_ref().err().map(|error| error.kind.as_str());
    metrics.dialed(start.elapsed(), failure);
    dialed
}

enum Outcome {
    Carried(FlowEnd),
    Undialed(DialError),
    Denied(Denied),
    Aborted,
}

impl Outcome {
    fn word(&self) -> Ended {
        match self {
            Self::Carried(end) => end.word(),
            Self::Undialed(_) => Ended::DialFailed,
            Self::Denied(_) => Ended::Denied,
            Self::Aborted => Ended::Aborted,
        }
    }

    fn by(&self) -> String {
        match self {
            Self::Carried(end) => end.by().map(|by| by.to_string()),
            Self::Undialed(_) | Self::Denied(_) | Self::Aborted => None,
        }
        .unwrap_or_else(|| "tailport".to_owned())
    }

    fn error(&self) -> Option<String> {
        match self {
            Self::Carried(FlowEnd::Broken(_, error)) => Some(error.to_string()),
            _ => None,
        }
    }
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
