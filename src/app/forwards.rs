//! The forwards of the program: bound, joined to their targets, served, and changed
//! while they run.
//!
//! A change is all or nothing up to the last moment at which something can fail:
//! everything new listens before anything old is touched. Connections that are there
//! keep the target and the times that they began with.

mod change;
mod listener;
mod route;

use std::io;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(super) use listener::Bound;
use listener::Listener;
use route::{ToMachine, ToTailnet};

use super::failure::Failure;
use super::report::Description;
use crate::config::{Config, Forward as Configured, chain};
use crate::exit::Exit;
use crate::proxy::endpoint::{Accept, Dial};
use crate::proxy::gate;
use crate::proxy::resolve::Resolver;
use crate::proxy::slots::Slots;
use crate::proxy::{self, Forward};
use crate::shutdown::Shutdown;
use crate::tailnet::Node;
use crate::telemetry::registry::Registry;

/// Binds every listener of this machine, before the node is troubled.
pub(super) async fn bind(config: &Config) -> Result<Vec<Bound>, Failure> {
    let mut bound = Vec::with_capacity(config.forwards.len());
    for configured in &config.forwards {
        bound.push(Bound::new(configured, config).await?);
    }
    Ok(bound)
}

/// What all forwards have in common.
pub(super) struct Shared {
    pub(super) slots: Slots,
    pub(super) registry: Arc<Registry>,
    pub(super) connections: TaskTracker,
    pub(super) shutdown: Shutdown,
}

/// All forwards that run.
pub(super) struct Forwards {
    shared: Shared,
    resolver: Arc<Resolver>,
    running: Vec<Running>,
    loops: JoinSet<io::Result<()>>,
}

/// A forward that runs, as far as it can be changed.
struct Running {
    configured: Configured,
    description: Description,
    /// Ends its accept loop; what it has accepted goes on.
    stop: CancellationToken,
    /// Cancelled when its listener is closed.
    ended: CancellationToken,
    settings: proxy::Settings,
    switch: Switch,
}

enum Switch {
    ToMachine(proxy::Switch<ToMachine, gate::Open>),
    ToTailnet(proxy::Switch<ToTailnet, gate::Open>),
}

impl Forwards {
    /// No forwards yet.
    pub(super) fn new(shared: Shared) -> Self {
        Self {
            shared,
            resolver: Arc::default(),
            running: Vec::new(),
            loops: JoinSet::new(),
        }
    }

    /// Opens what listens on the tailnet, and then starts all of them. When one
    /// cannot be opened none is started.
    pub(super) async fn start(
        &mut self,
        bound: Vec<Bound>,
        config: &Config,
        node: &Node,
    ) -> Result<(), Failure> {
        let mut open = Vec::with_capacity(bound.len());
        for one in bound {
            open.push(one.open(node).await?);
        }
        for (configured, listen, listener) in open {
            let running = self.serve(configured, listen, listener, config, node);
            self.running.push(running);
        }
        Ok(())
    }

    /// Every forward as the READY line tells it.
    pub(super) fn descriptions(&self) -> impl Iterator<Item = Description> {
        self.running
            .iter()
            .map(|running| running.description.clone())
    }

    /// Waits for a forward that cannot go on. Forwards that were told to end are no
    /// failure.
    ///
    /// # Cancel safety
    /// Safe: nothing is lost.
    pub(super) async fn failed(&mut self) -> Failure {
        while let Some(ended) = self.loops.join_next().await {
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    return Failure::new(Exit::Internal, "listener_gone", chain(&error));
                }
                Err(panicked) => {
                    return Failure::new(Exit::Internal, "internal", panicked.to_string());
                }
            }
        }
        std::future::pending().await
    }

    fn serve(
        &mut self,
        configured: Configured,
        listen: String,
        listener: Listener,
        config: &Config,
        node: &Node,
    ) -> Running {
        let description = Description {
            kind: configured.kind(),
            listen,
            target: configured.target(),
        };
        let stop = self.shared.shutdown.drain.child_token();
        let ended = CancellationToken::new();
        let machine = || route::to_machine(&configured, config, &self.resolver);
        let tailnet = || route::to_tailnet(&configured, node.dialer());
        let settings = route::settings(&configured, config);
        let forward = Begin {
            description: &description,
            settings,
            stop: &stop,
            ended: ended.clone(),
        };
        let switch = match listener {
            Listener::Tailnet(listener) => {
                let dial = machine();
                Switch::ToMachine(self.begin(forward, listener, dial))
            }
            Listener::Local(listener) => {
                let dial = tailnet();
                Switch::ToTailnet(self.begin(forward, listener, dial))
            }
            Listener::Unix(listener) => {
                let dial = tailnet();
                Switch::ToTailnet(self.begin(forward, listener, dial))
            }
        };
        Running {
            configured,
            description,
            stop,
            ended,
            settings,
            switch,
        }
    }

    fn begin<A: Accept, D: Dial>(
        &mut self,
        begin: Begin<'_>,
        accept: A,
        dial: D,
    ) -> proxy::Switch<D, gate::Open> {
        let Begin {
            description,
            settings,
            stop,
            ended,
        } = begin;
        let name = description.name();
        let shared = &self.shared;
        let forward = Forward {
            metrics: shared.registry.forward(&name, &description.target),
            name,
            accept,
            gate: gate::Open,
            dial,
            settings,
            slots: shared.slots.clone(),
        };
        let shutdown = Shutdown {
            drain: stop.clone(),
            abort: shared.shutdown.abort.clone(),
        };
        let (serving, switch) = forward.split(&shared.connections, &shutdown);
        self.loops.spawn(async move {
            let _ended = ended.drop_guard();
            serving.run().await
        });
        switch
    }
}

/// What the accept loop of one forward begins with.
struct Begin<'a> {
    description: &'a Description,
    settings: proxy::Settings,
    stop: &'a CancellationToken,
    ended: CancellationToken,
}
