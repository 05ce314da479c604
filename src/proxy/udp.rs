//! UDP: datagrams sorted into flows, one a client, and every flow led to the target
//! as if it were a connection.
//!
//! | file | its one idea |
//! |---|---|
//! | `link` | the traits: where flows come from, where they go, and one end of a flow |
//! | `listener`, `target` | the kernel's sockets for both |
//! | `queue` | what waits for a flow |
//! | `serve` | claim a slot, start a flow |
//! | `flow` | the life of one flow |
//! | `carry` | its datagrams, both ways |
//!
//! A flow takes a slot of the same cap, is counted in the same metrics and leaves
//! one closing line, with its datagrams. Nobody says when it is over: it ends when
//! nothing has moved for its idle time, when a side closes it or answers that it
//! is not there, or with the process. Boundaries are kept, and nothing is ever
//! waited for on behalf of a datagram: one that finds its queue full is dropped
//! whole, and counted.

mod carry;
mod flow;
mod link;
mod listener;
mod queue;
mod serve;
mod target;

use std::{io, sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::task::TaskTracker;

pub(super) use self::{
    carry::{FlowEnd, IDLE_IN_DRAIN, Tally, carry},
    flow::dial,
    listener::{LONGEST, gone, sent},
    queue::{Adding, Waiting, queue},
};
use self::{flow::Context, serve::ServeLoop};
pub use self::{
    link::{FlowIncoming, FlowSource, FlowTarget, Link, Sent},
    listener::{UdpIncoming, UdpLink, UdpListener},
    target::{UdpSocketLink, UdpTarget},
};
use super::{
    gate::{Gate, Open},
    slots::Slots,
};
use crate::{shutdown::Shutdown, telemetry::metrics::Metrics};

/// How long a flow lives on without a datagram, unless it is said otherwise: longer
/// than protocols over UDP are silent by themselves, short enough for a slot.
pub const IDLE: Duration = Duration::from_secs(60);

/// The times that flows work by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UdpSettings {
    /// The whole dial of one flow, name resolution included; the gate's answer has
    /// as long.
    pub dial_timeout: Duration,
    /// A flow ends when nothing has moved for so long. Never 0: a flow without an
    /// idle time would have no end.
    idle: Duration,
}

impl UdpSettings {
    /// The times; an idle time of 0 is [`IDLE`].
    pub fn new(dial_timeout: Duration, idle: Duration) -> Self {
        let idle = if idle.is_zero() { IDLE } else { idle };
        Self { dial_timeout, idle }
    }

    /// For how long nothing moves in a flow that ends. Never 0.
    pub fn idle(&self) -> Duration {
        self.idle
    }
}

/// A source of flows with its target.
#[derive(Debug)]
pub struct UdpForward<S, T, G = Open> {
    /// Its name in the log.
    pub name: String,
    /// Where flows come from.
    pub source: S,
    /// Who is let in; [`Open`] is everyone.
    pub gate: G,
    /// Where they go.
    pub target: T,
    /// The times they work by.
    pub settings: UdpSettings,
    /// The process's slots, with this forward's own cap if it has one.
    pub slots: Slots,
    /// Where it counts.
    pub metrics: Arc<Metrics>,
}

impl<S: FlowSource, T: FlowTarget, G: Gate> UdpForward<S, T, G> {
    /// Serves until the drain starts, and from then on only the flows that are
    /// there, until the last of them has ended. Flows run as tasks of `tracker` and
    /// end by themselves, soon after the drain has started, or by `shutdown.abort`.
    ///
    /// # Errors
    /// When the source is gone for good.
    ///
    /// # Cancel safety
    /// Dropping the future ends the source; flows hear no more from their clients
    /// and run out.
    pub async fn serve(self, tracker: &TaskTracker, shutdown: &Shutdown) -> io::Result<()> {
        let (serving, _switch) = self.split(tracker, shutdown);
        serving.run().await
    }

    /// The forward as something to [`UdpServing::run`], and the switch that changes
    /// where its flows go while it runs.
    pub fn split(
        self,
        tracker: &TaskTracker,
        shutdown: &Shutdown,
    ) -> (UdpServing<S, T, G>, UdpSwitch<T, G>) {
        let context = Context {
            forward: self.name,
            gate: self.gate,
            target: self.target,
            settings: self.settings,
            shutdown: shutdown.clone(),
        };
        let (sender, context) = watch::channel(Arc::new(context));
        let serving = UdpServing(ServeLoop {
            source: self.source,
            context,
            slots: self.slots,
            metrics: self.metrics,
            tracker: tracker.clone(),
        });
        (serving, UdpSwitch(sender))
    }
}

/// A forward that is ready to serve; see [`UdpForward::split`].
pub struct UdpServing<S, T, G>(ServeLoop<S, T, G>);

impl<S: FlowSource, T: FlowTarget, G: Gate> UdpServing<S, T, G> {
    /// Serves, as [`UdpForward::serve`] says.
    ///
    /// # Errors
    /// When the source is gone for good.
    ///
    /// # Cancel safety
    /// Dropping the future ends the source; flows hear no more from their clients
    /// and run out.
    pub async fn run(self) -> io::Result<()> {
        self.0.run().await
    }
}

/// Changes a forward that runs, for the flows to come; those that are there keep
/// what they began with.
#[derive(Debug)]
pub struct UdpSwitch<T, G>(watch::Sender<Arc<Context<T, G>>>);

impl<T: FlowTarget, G: Gate> UdpSwitch<T, G> {
    /// Another gate, another target, other times.
    pub fn turn(&self, gate: G, target: T, settings: UdpSettings) {
        self.0.send_modify(|context| {
            *context = Arc::new(Context {
                forward: context.forward.clone(),
                gate,
                target,
                settings,
                shutdown: context.shutdown.clone(),
            });
        });
    }
}
