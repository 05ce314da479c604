//! The loop of one forward: what it begins with, and its start.

use std::io;

use tokio_util::sync::CancellationToken;

use super::{Configured, Forwards, Shared};
use crate::app::report::Description;
use crate::proxy::endpoint::{Accept, Dial};
use crate::proxy::gate::Gate;
use crate::proxy::slots::Slots;
use crate::proxy::udp::{FlowSource, FlowTarget, UdpForward, UdpSettings, UdpSwitch};
use crate::proxy::{self, Forward};
use crate::shutdown::Shutdown;

/// What the accept loop of one forward begins with.
pub(super) struct Begin {
    pub(super) name: String,
    pub(super) target: String,
    pub(super) slots: Slots,
    pub(super) shutdown: Shutdown,
    pub(super) ended: CancellationToken,
}

impl Begin {
    pub(super) fn new(shared: &Shared, description: &Description, configured: &Configured) -> Self {
        Self {
            name: description.name(),
            target: description.target.clone(),
            slots: shared.slots(configured),
            shutdown: Shutdown {
                drain: shared.shutdown.drain.child_token(),
                abort: shared.shutdown.abort.child_token(),
            },
            ended: CancellationToken::new(),
        }
    }
}

impl Forwards {
    pub(super) fn begin<A: Accept, D: Dial, G: Gate>(
        &mut self,
        begin: Begin,
        accept: A,
        gate: G,
        dial: D,
        settings: proxy::Settings,
    ) -> proxy::Switch<D, G> {
        let shared = &self.shared;
        let forward = Forward {
            metrics: shared.registry.forward(&begin.name, &begin.target),
            name: begin.name,
            accept,
            gate,
            dial,
            settings,
            slots: begin.slots,
        };
        let (serving, switch) = forward.split(&shared.connections, &begin.shutdown);
        self.spawn(begin.ended, serving.run());
        switch
    }

    pub(super) fn begin_udp<S: FlowSource, T: FlowTarget, G: Gate>(
        &mut self,
        begin: Begin,
        source: S,
        gate: G,
        target: T,
        settings: UdpSettings,
    ) -> UdpSwitch<T, G> {
        let shared = &self.shared;
        let forward = UdpForward {
            metrics: shared.registry.forward(&begin.name, &begin.target),
            name: begin.name,
            source,
            gate,
            target,
            settings,
            slots: begin.slots,
        };
        let (serving, switch) = forward.split(&shared.connections, &begin.shutdown);
        self.spawn(begin.ended, serving.run());
        switch
    }

    /// Runs a loop; `ended` is cancelled when its listener is closed.
    fn spawn(
        &mut self,
        ended: CancellationToken,
        serving: impl Future<Output = io::Result<()>> + Send + 'static,
    ) {
        self.loops.spawn(async move {
            let _ended = ended.drop_guard();
            serving.await
        });
    }
}
