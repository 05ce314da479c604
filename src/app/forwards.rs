//! Listeners bound, joined to their targets, and served.

use std::io;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use super::failure::Failure;
use super::report::Description;
use crate::config::{
    Config, Forward as Configured, ForwardOptions, Host, Listen, Protocol, Target, Timeouts, chain,
};
use crate::exit::Exit;
use crate::proxy::kernel::{Keepalive, KernelListener};
use crate::proxy::node::{NodeListener, NodeTarget};
use crate::proxy::relay::Limits;
use crate::proxy::resolve::Resolver;
use crate::proxy::slots::Slots;
use crate::proxy::target::KernelTarget;
use crate::proxy::{Forward, Settings};
use crate::shutdown::Shutdown;
use crate::tailnet::{ErrorKind, Node};
use crate::telemetry::registry::Registry;

/// A forward whose local listener, if it has one, is bound.
pub(super) struct Bound {
    description: Description,
    host: Host,
    port: u16,
    from: Source,
}

/// Where a forward's connections come from.
enum Source {
    /// A port of the node, to be opened once it runs.
    Tailnet(u16),
    /// A listener of this machine.
    Local(KernelListener),
}

/// A forward with both its ends.
pub(super) enum Open {
    Expose(Description, Forward<NodeListener, KernelTarget>),
    Connect(Description, Forward<KernelListener, NodeTarget>),
}

impl Open {
    pub(super) fn description(&self) -> Description {
        match self {
            Self::Expose(description, _) | Self::Connect(description, _) => description.clone(),
        }
    }
}

/// Binds every local listener, before the node is troubled.
pub(super) async fn bind(config: &Config) -> Result<Vec<Bound>, Failure> {
    let mut bound = Vec::with_capacity(config.forwards.len());
    for configured in &config.forwards {
        let (host, port) = target(configured)?;
        let mut description = Description {
            kind: configured.kind(),
            listen: configured.listen.to_string(),
            target: configured.target(),
        };
        let from = match &configured.listen {
            Listen::Tailnet { port, .. } => Source::Tailnet(*port),
            Listen::Local { address, .. } => {
                let listener = KernelListener::bind(*address, keepalive(&config.timeouts))
                    .await
                    .map_err(|error| not_bound(&description.listen, &error))?;
                if let Ok(address) = listener.local_addr() {
                    description.listen = address.to_string(); // the port chosen for port 0
                }
                Source::Local(listener)
            }
            Listen::Unix(_) => return Err(not_supported(configured)),
        };
        bound.push(Bound {
            description,
            host,
            port,
            from,
        });
    }
    Ok(bound)
}

/// The one target of a plain forward.
fn target(configured: &Configured) -> Result<(Host, u16), Failure> {
    let plain =
        configured.protocol() == Protocol::Tcp && configured.options == ForwardOptions::default();
    match configured.targets.as_slice() {
        [Target::Network { host, port }] if plain => Ok((host.clone(), *port)),
        _ => Err(not_supported(configured)),
    }
}

fn not_supported(configured: &Configured) -> Failure {
    Failure::new(
        Exit::Usage,
        "usage",
        format!(
            "{} {configured} is not supported yet: TCP from one port to one HOST:PORT, without options",
            configured.kind()
        ),
    )
}

fn not_bound(listen: &str, error: &io::Error) -> Failure {
    Failure::new(
        Exit::Other,
        "not_bound",
        format!("listening on {listen}: {error}"),
    )
}

/// Opens every port of the node and joins all listeners to their targets.
pub(super) async fn open(
    config: &Config,
    bound: Vec<Bound>,
    node: &Node,
    slots: &Slots,
    registry: &Registry,
) -> Result<Vec<Open>, Failure> {
    let timeouts = &config.timeouts;
    let shared = Shared {
        settings: Settings {
            dial_timeout: timeouts.dial,
            limits: Limits::new(timeouts.idle.unwrap_or_default()),
        },
        slots,
        registry,
    };
    let resolver = Arc::new(Resolver::default());
    let mut open = Vec::with_capacity(bound.len());
    for Bound {
        description,
        host,
        port: target_port,
        from,
    } in bound
    {
        open.push(match from {
            Source::Local(listener) => {
                let dial = NodeTarget::new(node.dialer(), description.target.clone());
                let forward = shared.forward(&description, listener, dial);
                Open::Connect(description, forward)
            }
            Source::Tailnet(port) => {
                let listener = node
                    .listen(port)
                    .await
                    .map_err(|error| not_open(&description.listen, error))?;
                let host = match host {
                    Host::Ip(address) => address.to_string(),
                    Host::Name(name) => name,
                };
                let resolver = Arc::clone(&resolver);
                let dial = KernelTarget::new(host, target_port, resolver, keepalive(timeouts));
                let forward = shared.forward(&description, NodeListener::new(listener), dial);
                Open::Expose(description, forward)
            }
        });
    }
    Ok(open)
}

/// What all forwards have in common.
struct Shared<'a> {
    settings: Settings,
    slots: &'a Slots,
    registry: &'a Registry,
}

impl Shared<'_> {
    fn forward<A, D>(&self, description: &Description, accept: A, dial: D) -> Forward<A, D> {
        let name = format!("{} {}", description.kind, description.listen);
        Forward {
            metrics: self.registry.forward(&name, &description.target),
            name,
            accept,
            dial,
            settings: self.settings,
            slots: self.slots.clone(),
        }
    }
}

fn not_open(listen: &str, error: crate::tailnet::Error) -> Failure {
    if error.kind() == ErrorKind::PortInUse {
        return Failure::new(
            Exit::Other,
            "not_bound",
            format!("listening on {listen} of the tailnet: {error}"),
        );
    }
    error.into()
}

fn keepalive(timeouts: &Timeouts) -> Keepalive {
    Keepalive {
        idle: timeouts.keepalive.unwrap_or_default(),
    }
}

/// Starts every forward's accept loop; connections become tasks of `connections`.
pub(super) fn serve(
    forwards: Vec<Open>,
    connections: &TaskTracker,
    shutdown: &Shutdown,
) -> JoinSet<io::Result<()>> {
    let mut serving = JoinSet::new();
    for forward in forwards {
        let (connections, shutdown) = (connections.clone(), shutdown.clone());
        match forward {
            Open::Expose(_, forward) => {
                serving.spawn(async move { forward.serve(&connections, &shutdown).await })
            }
            Open::Connect(_, forward) => {
                serving.spawn(async move { forward.serve(&connections, &shutdown).await })
            }
        };
    }
    serving
}

/// Waits for a forward that cannot go on. Forwards that ended with the drain are
/// no failure.
pub(super) async fn failed(serving: &mut JoinSet<io::Result<()>>) -> Failure {
    while let Some(ended) = serving.join_next().await {
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
