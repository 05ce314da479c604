//! What comes after what: doors, listeners of this machine, the node, its listeners,
//! the READY line, requests as they come, and the stop.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;

use tokio::sync::watch::Sender;
use tokio_util::task::TaskTracker;

use super::doors::Doors;
use super::failure::Failure;
use super::forwards::{self, Binding, Forwards, Shared};
use super::identities::Identities;
use super::operations::{Desk, Request, Requests};
use super::reload::{self, Source};
use super::service_manager::{ServiceManager, Sockets};
use super::{report, start, stop, watch};
use crate::admin::{At, NodeStatus, Phase, Refusal, View};
use crate::config::{AdminAddress, Config, Listen};
use crate::proxy::slots::Slots;
use crate::shutdown::Shutdown;
use crate::state_dir::StateDir;
use crate::tailnet::{self, Node, NodeInfo};
use crate::telemetry::registry::Registry;

/// The program as it was configured and as others see it.
pub(super) struct Program<'a> {
    pub(super) config: &'a Config,
    pub(super) source: &'a Source,
    pub(super) shutdown: &'a Shutdown,
    pub(super) status: &'a Sender<NodeStatus>,
    pub(super) manager: &'a ServiceManager,
    pub(super) sockets: Arc<Sockets>,
    pub(super) registry: Arc<Registry>,
    pub(super) desk: Arc<Desk>,
}

impl Program<'_> {
    /// Forwards with every door open, from before the node is started until it is
    /// closed.
    pub(super) async fn run(
        &self,
        state_dir: &StateDir,
        requests: Requests,
    ) -> Result<(), Failure> {
        let background = TaskTracker::new();
        if watch::wants_logs() {
            background.spawn(watch::relay_logs(tailnet::logs()?));
        }
        let view = View::new(
            self.status.subscribe(),
            Arc::clone(&self.registry),
            u64::from(self.config.max_connections.get()),
            Arc::clone(&self.desk) as _,
        );
        let doors = Doors::open(state_dir, self.config.admin.map(at), view).await?;
        let ended = self.forward(&doors, requests).await;
        doors.close().await;
        ended
    }

    async fn forward(&self, doors: &Doors, requests: Requests) -> Result<(), Failure> {
        let binding = forwards::bind(self.config, &self.sockets).await?;
        let started = start::node(self.config, self.shutdown, self.status).await?;
        let Some((node, info)) = started else {
            return Ok(());
        };
        let shared = Shared {
            slots: Slots::new(self.config.max_connections.get() as usize),
            registry: Arc::clone(&self.registry),
            connections: TaskTracker::new(),
            shutdown: self.shutdown.clone(),
            identities: Identities::new(node.questions()),
            domain: domain(&info).into(),
            sockets: Arc::clone(&self.sockets),
        };
        let (slots, connections) = (shared.slots.clone(), shared.connections.clone());
        let mut forwards = Forwards::new(shared);
        let served = self
            .serve(binding, &mut forwards, &node, &info, doors, requests)
            .await;
        if let Err(failure) = &served {
            tracing::warn!(reason = %failure, "stopping");
        }
        self.status
            .send_modify(|status| status.phase = Phase::Stopping);
        self.shutdown.drain.cancel();
        let (config, registry) = (self.config, &self.registry);
        stop::stop(config, node, slots, connections, self.shutdown, registry).await;
        // Flows of datagrams that are there hear their clients through the loops.
        drop(forwards);
        served
    }

    async fn serve(
        &self,
        binding: Binding,
        forwards: &mut Forwards,
        node: &Node,
        info: &NodeInfo,
        doors: &Doors,
        mut requests: Requests,
    ) -> Result<(), Failure> {
        let open = async {
            forwards.start(binding, self.config, node).await?;
            doors.open_on(node).await
        };
        // A first certificate takes its time, and nobody has to wait for it to stop.
        tokio::select! {
            biased;
            () = self.shutdown.drain.cancelled() => return Ok(()),
            opened = open => opened?,
        }
        let mut watching = pin!(watch::node(
            node.watch()?,
            self.status,
            forwards.identities()
        ));
        // Before the line: who reads it and asks is told the same.
        self.desk.knows(node.questions());
        self.status.send_modify(|status| {
            status.phase = Phase::Serving;
            // Whether a service has addresses here is told a moment later.
            status.services = services(self.config);
        });
        report::ready(info, forwards.descriptions());
        self.manager.ready(forwards.descriptions().count()).await;
        loop {
            let request = tokio::select! {
                biased;
                () = self.shutdown.drain.cancelled() => return Ok(()),
                failed = forwards.failed() => return Err(failed),
                failed = &mut watching => return Err(failed),
                request = requests.next() => request,
            };
            let ends = tokio::select! {
                biased;
                () = self.shutdown.drain.cancelled() => true,
                ends = self.obey(request, forwards, node) => ends,
            };
            if ends {
                return Ok(());
            }
        }
    }

    /// Does what was asked for; says whether that ends the program.
    async fn obey(&self, request: Request, forwards: &mut Forwards, node: &Node) -> bool {
        match request {
            Request::Reload(reply) => {
                self.manager.reloading().await;
                let done = reload::reload(self.source, self.config, forwards, node).await;
                let count = forwards.descriptions().count();
                self.manager.reloaded(count, &done).await;
                let _ = reply.send(done);
                false
            }
            Request::Logout(reply) => {
                let done = node.logout().await;
                let ends = done.is_ok();
                let _ = reply.send(done.map_err(|error| Refusal::Failed(error.to_string())));
                if ends {
                    tracing::info!("logged out as asked; stopping");
                }
                ends
            }
        }
    }
}

/// Where the admin endpoint listens.
fn at(address: AdminAddress) -> At {
    match address {
        AdminAddress::Local(address) => At::Machine(address),
        AdminAddress::Tailnet(port) => At::Tailnet(port),
    }
}

/// The services that the forwards are for, with no address yet.
fn services(config: &Config) -> BTreeMap<String, Vec<IpAddr>> {
    let forwards = config.forwards.iter();
    let names = forwards.filter_map(|forward| match &forward.listen {
        Listen::Service { service, .. } => Some(service.to_string()),
        _ => None,
    });
    names.map(|name| (name, Vec::new())).collect()
}

/// The MagicDNS domain that a node is in.
fn domain(info: &NodeInfo) -> &str {
    let name = info
        .dns_name
        .as_deref()
        .and_then(|name| name.split_once('.'));
    name.map_or("", |(_, domain)| domain)
}
