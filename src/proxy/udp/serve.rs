//! The loop that takes a forward's flows: claim a slot, hand the flow to a task of
//! its own; forget it when there is no slot.

use std::{io, sync::Arc};

use tokio::{sync::watch, time::sleep};
use tokio_util::task::TaskTracker;

use super::{
    super::{
        accept::{Pauses, Refusals},
        gate::Gate,
        slots::Slots,
    },
    flow::{Context, Flow},
    link::{FlowIncoming, FlowSource, FlowTarget},
};
use crate::telemetry::metrics::Metrics;

/// One forward's loop.
pub(super) struct ServeLoop<S, T, G> {
    pub(super) source: S,
    /// What flows are given on their way; a later one for later flows.
    pub(super) context: watch::Receiver<Arc<Context<T, G>>>,
    pub(super) slots: Slots,
    pub(super) metrics: Arc<Metrics>,
    pub(super) tracker: TaskTracker,
}

impl<S: FlowSource, T: FlowTarget, G: Gate> ServeLoop<S, T, G> {
    /// Takes flows until the drain, and then none, until the last one has ended.
    pub(super) async fn run(mut self) -> io::Result<()> {
        let shutdown = self.context.borrow().shutdown.clone();
        let flows = TaskTracker::new();
        let mut pauses = Pauses::default();
        let mut refusals = Refusals::default();
        let mut draining = false;
        loop {
            let arrived = tokio::select! {
                biased;
                () = shutdown.drain.cancelled(), if !draining => {
                    draining = true;
                    flows.close();
                    continue;
                }
                () = flows.wait() => return Ok(()),
                arrived = self.source.next() => arrived,
            };
            let failed = match arrived {
                // Only the flows that are there are still served.
                Ok(incoming) if draining => {
                    incoming.refuse();
                    continue;
                }
                Ok(incoming) => self.take(incoming, &flows, &mut refusals).err(),
                Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                    return if draining { Ok(()) } else { Err(error) };
                }
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
            tracing::warn!(forward = self.context.borrow().forward, %error, ?pause, "taking flows paused");
            tokio::select! {
                () = shutdown.abort.cancelled() => return Ok(()),
                () = sleep(pause) => {}
            }
        }
    }

    /// Starts a flow or refuses it; an error says why it could not be claimed.
    fn take(
        &self,
        incoming: S::Incoming,
        flows: &TaskTracker,
        refusals: &mut Refusals,
    ) -> io::Result<()> {
        let slot = match self.slots.claim() {
            Ok(slot) => slot,
            Err(reason) => {
                incoming.refuse();
                self.metrics.refuse();
                refusals.add(&self.context.borrow().forward, reason);
                return Ok(());
            }
        };
        let remote = incoming.peer();
        let link = incoming.claim().inspect_err(|_| self.metrics.refuse())?;
        let active = self.metrics.begin_flow();
        let context = Arc::clone(&self.context.borrow());
        let flow = Flow::new(context, remote, link, active, slot);
        self.tracker.spawn(flows.track_future(flow.run()));
        Ok(())
    }
}
