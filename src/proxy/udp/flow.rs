//! The life of one flow: dial within the budget, carry, one closing line in the log,
//! slot given back.

use std::{sync::Arc, time::SystemTime};

use tokio::time::{Instant, timeout};

use super::{
    super::{
        endpoint::{DialError, DialErrorKind},
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
        metrics::{Active, Ended},
        recent::Past,
    },
};

/// What the flows of a forward share.
#[derive(Debug)]
pub(super) struct Context<T> {
    pub(super) forward: String,
    pub(super) target: T,
    pub(super) settings: UdpSettings,
    pub(super) shutdown: Shutdown,
}

/// A claimed flow on its way to its target.
///
/// Dropped before [`Flow::run`] is through, by a panic or with its task, it counts
/// itself and says so.
pub(super) struct Flow<T: FlowTarget, L: Link> {
    context: Arc<Context<T>>,
    remote: Peer,
    // Before the slot: a flow is forgotten before its place is given away.
    link: Option<L>,
    tally: Tally,
    active: Option<Active>,
    start: Instant,
    _slot: Slot,
}

impl<T: FlowTarget, L: Link> Flow<T, L> {
    pub(super) fn new(
        context: Arc<Context<T>>,
        remote: Peer,
        link: L,
        active: Active,
        slot: Slot,
    ) -> Self {
        Self {
            context,
            remote,
            link: Some(link),
            tally: Tally::default(),
            active: Some(active),
            start: Instant::now(),
            _slot: slot,
        }
    }

    /// Carries the flow to its end.
    pub(super) async fn run(mut self) {
        let (Some(link), Some(active)) = (self.link.as_mut(), self.active.as_ref()) else {
            return;
        };
        let context = Arc::clone(&self.context);
        let outcome = tokio::select! {
            biased;
            () = context.shutdown.abort.cancelled() => Outcome::Aborted,
            outcome = lead(&context, link, &mut self.tally, active) => outcome,
        };
        drop(self.link.take());
        let ended = outcome.word();
        self.log(&outcome, ended);
        if let Some(active) = self.active.take() {
            active.metrics().recent().remember(self.past(ended));
            active.end(ended);
        }
    }

    fn past(&self, ended: Ended) -> Past {
        Past {
            at: SystemTime::now(),
            forward: self.context.forward.clone(),
            peer: self.remote.to_string(),
            who: None,
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
        let duration_ms = milliseconds(self.start);
        let ended = ended.as_str();
        match outcome {
            Outcome::Undialed(error) => tracing::warn!(
                forward, %peer, %target, to_target = 0, to_peer = 0, duration_ms, ended, %error,
                "flow ended"
            ),
            Outcome::Carried(_) | Outcome::Aborted => tracing::info!(
                forward,
                %peer,
                %target,
                to_target = tally.to_target.bytes,
                to_peer = tally.to_peer.bytes,
                to_target_datagrams = tally.to_target.datagrams,
                to_peer_datagrams = tally.to_peer.datagrams,
                dropped = tally.dropped,
                duration_ms,
                ended,
                ended_by = outcome.by(),
                error = outcome.error(),
                "flow ended"
            ),
        }
    }
}

impl<T: FlowTarget, L: Link> Drop for Flow<T, L> {
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
            target = %self.context.target,
            duration_ms = milliseconds(self.start),
            ended = ended.as_str(),
            "flow ended"
        );
        active.metrics().recent().remember(self.past(ended));
    }
}

enum Outcome {
    Carried(FlowEnd),
    Undialed(DialError),
    Aborted,
}

impl Outcome {
    fn word(&self) -> Ended {
        match self {
            Self::Carried(end) => end.word(),
            Self::Undialed(_) => Ended::DialFailed,
            Self::Aborted => Ended::Aborted,
        }
    }

    fn by(&self) -> String {
        match self {
            Self::Carried(end) => end.by().map(|by| by.to_string()),
            Self::Undialed(_) | Self::Aborted => None,
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

async fn lead<T: FlowTarget, L: Link>(
    context: &Context<T>,
    peer: &mut L,
    tally: &mut Tally,
    active: &Active,
) -> Outcome {
    let UdpSettings { dial_timeout, idle } = context.settings;
    let metrics = active.metrics();
    let start = Instant::now();
    let dialed = timeout(dial_timeout, context.target.dial(dial_timeout))
        .await
        .unwrap_or_else(|_| {
            let detail = format!("no answer in {dial_timeout:?}");
            Err(DialError::new(DialErrorKind::TimedOut, detail))
        });
    let failure = dialed.as_ref().err().map(|error| error.kind.as_str());
    metrics.dialed(start.elapsed(), failure);
    match dialed {
        Ok(mut target) => {
            let drain = &context.shutdown.drain;
            Outcome::Carried(carry(peer, &mut target, idle, drain, tally, metrics).await)
        }
        Err(error) => Outcome::Undialed(error),
    }
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
