//! The accept loop of a forward: claim a slot, claim the connection, hand it to a
//! task of its own; close it at once when there is no slot.
//!
//! Nothing is waited for between the accept and the task, so one connection
//! cannot hold up the next.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::task::TaskTracker;

use super::{
    connection::{Connection, Context},
    endpoint::{Accept, Dial, Incoming},
    gate::Gate,
    origin::Origin,
    slots::NoSlot,
};
use crate::{telemetry::metrics::Metrics, turn};

/// The first pause after a failed accept or claim; it doubles from one to the next.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The longest such pause: running out of file descriptors ends as suddenly as it begins.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How often refusals are put into the log; those between are counted.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// One forward's accept loop.
pub(super) struct AcceptLoop<A, D, G> {
    pub(super) accept: A,
    /// What connections are given on their way; a later one for later connections.
    pub(super) context: watch::Receiver<Arc<Context<D, G>>>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) tracker: TaskTracker,
}

impl<A: Accept, D: Dial, G: Gate> AcceptLoop<A, D, G> {
    /// Accepts until the drain, or until the listener is gone for good.
    pub(super) async fn run(mut self) -> io::Result<()> {
        let drain = self.context.borrow().shutdown.drain.clone();
        let mut pauses = Pauses::default();
        let mut refusals = Refusals::default();
        loop {
            let accepted = tokio::select! {
                biased;
                () = drain.cancelled() => return Ok(()),
                accepted = self.accept.accept() => accepted,
            };
            let failed = match accepted {
                Ok(incoming) => self.take(incoming, &mut refusals).err(),
                Err(error) if error.kind() == io::ErrorKind::NotConnected => return Err(error),
                Err(error) => {
                    self.metrics.accept_error();
                    Some(error)
                }
            };
            let Some(error) = failed else {
                pauses = Pauses::default();
                continue;
            };
            let pause = pauses.next();
            tracing::warn!(forward = self.context.borrow().forward, %error, ?pause, "accepting paused");
            tokio::select! {
                () = drain.cancelled() => return Ok(()),
                () = sleep(pause) => {}
            }
        }
    }

    /// Starts a connection or refuses it; an error says why it could not be claimed.
    fn take(&self, incoming: A::Incoming, refusals: &mut Refusals) -> io::Result<()> {
        let context = Arc::clone(&self.context.borrow());
        let slot = match context.slots.claim() {
            Ok(slot) => slot,
            Err(reason) => {
                incoming.refuse();
                self.metrics.refuse();
                refusals.add(&context.forward, reason);
                return Ok(());
            }
        };
        let origin = Origin {
            local: incoming.local(),
            ..Origin::from(incoming.peer())
        };
        let stream = incoming.claim().inspect_err(|_| self.metrics.refuse())?;
        let active = self.metrics.begin();
        let connection = Connection::new(context, origin, stream, active, slot);
        turn::spawn(self.tracker.track_future(connection.run()));
        Ok(())
    }
}

/// The pauses after failures that come one after the other.
pub(super) struct Pauses(Duration);

impl Default for Pauses {
    fn default() -> Self {
        Self(FIRST_PAUSE)
    }
}

impl Pauses {
    /// The next one, twice as long as the one before up to a second.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST_PAUSE);
        pause
    }
}

/// Refusals since the last warning about them.
#[derive(Default)]
pub(super) struct Refusals {
    unsaid: u64,
    warned: Option<Instant>,
}

impl Refusals {
    pub(super) fn add(&mut self, forward: &str, reason: NoSlot) {
        self.unsaid += 1;
        let due = self
            .warned
            .is_none_or(|warned| warned.elapsed() >= WARN_EVERY);
        if due && reason != NoSlot::Closed {
            tracing::warn!(forward, refused = self.unsaid, %reason, "connections refused");
            self.unsaid = 0;
            self.warned = Some(Instant::now());
        }
    }
}
