//! The forwards of the program: bound, joined to their targets, served, and changed
//! while they run.
//!
//! | file | its one idea |
//! |---|---|
//! | `begin` | the loop of one forward |
//! | `binding` | what listens on this machine, bound before there is a node |
//! | `listener` | the side that listens |
//! | `certificate` | what listeners that speak TLS show |
//! | `gate` | who may come in from the tailnet |
//! | `route` | where connections go, and by which times |
//! | `change` | other forwards while these run |
//!
//! Connections that are there keep the target, the gate's word and the times that
//! they began with, whatever changes. Flows of datagrams share their forward's
//! socket, so they end with it.

mod begin;
mod binding;
mod certificate;
mod change;
mod gate;
mod listener;
mod route;

use std::io;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use begin::Begin;
use binding::Socks5;
pub(super) use binding::{Binding, bind};
use certificate::Keeper;
use gate::{ExposeGate, TailnetGate};
use listener::{Bound, Listener, Opened};
use route::{Chosen, ToMachine, ToTailnet};

use super::failure::Failure;
use super::identities::Identities;
use super::report::Description;
use super::service_manager::Sockets;
use crate::config::{Config, Forward as Configured, ForwardOptions, Protocol, chain};
use crate::exit::Exit;
use crate::proxy;
use crate::proxy::gate::Open;
use crate::proxy::node::NodeTarget;
use crate::proxy::peer_limits::Limited;
use crate::proxy::resolve::Resolver;
use crate::proxy::slots::Slots;
use crate::proxy::socks::SocksListener;
use crate::proxy::udp::{UdpSwitch, UdpTarget};
use crate::shutdown::Shutdown;
use crate::tailnet::Node;
use crate::telemetry::registry::Registry;

/// What all forwards have in common.
pub(super) struct Shared {
    pub(super) slots: Slots,
    pub(super) registry: Arc<Registry>,
    pub(super) connections: TaskTracker,
    pub(super) shutdown: Shutdown,
    pub(super) identities: Identities,
    /// The MagicDNS domain of this tailnet; empty without MagicDNS.
    pub(super) domain: Arc<str>,
    /// Listeners that were bound by the service manager.
    pub(super) sockets: Arc<Sockets>,
}

impl Shared {
    fn gate(&self, configured: &Configured) -> TailnetGate {
        TailnetGate {
            identities: self.identities.clone(),
            allow: configured.options.allow.clone(),
            domain: Arc::clone(&self.domain),
        }
    }

    fn slots(&self, configured: &Configured) -> Slots {
        match configured.options.max_connections {
            Some(cap) => self.slots.at_most(cap.get() as usize),
            None => self.slots.clone(),
        }
    }
}

/// All forwards that run.
pub(super) struct Forwards {
    shared: Shared,
    resolver: Arc<Resolver>,
    certificate: Option<Keeper>,
    running: Vec<Running>,
    /// SOCKS5, as the READY line tells it.
    socks5: Option<Description>,
    loops: JoinSet<io::Result<()>>,
}

/// A forward that runs, as far as it can be changed.
struct Running {
    configured: Configured,
    description: Description,
    /// Ends its accept loop; what it has accepted goes on.
    stop: CancellationToken,
    /// Ends what it has accepted.
    abort: CancellationToken,
    /// Cancelled when its listener is closed.
    ended: CancellationToken,
    switch: Switch,
}

enum Switch {
    /// With the gate in use, whose peers the next one takes over.
    ToMachine(proxy::Switch<ToMachine, ExposeGate>, ExposeGate),
    ToTailnet(proxy::Switch<ToTailnet, Open>),
    UdpToMachine(UdpSwitch<UdpTarget, ExposeGate>, ExposeGate),
    UdpToTailnet(UdpSwitch<NodeTarget, Open>),
}

impl Forwards {
    /// No forwards yet.
    pub(super) fn new(shared: Shared) -> Self {
        Self {
            shared,
            resolver: Arc::default(),
            certificate: None,
            running: Vec::new(),
            socks5: None,
            loops: JoinSet::new(),
        }
    }

    /// Opens what listens on the tailnet, and then starts all of them. When one
    /// cannot be opened none is started.
    pub(super) async fn start(
        &mut self,
        binding: Binding,
        config: &Config,
        node: &Node,
    ) -> Result<(), Failure> {
        let mut open = Vec::with_capacity(binding.forwards.len());
        for bound in binding.forwards {
            open.push(self.open(bound, node).await?);
        }
        for opened in open {
            let running = self.serve(opened, config, node);
            self.running.push(running);
        }
        if let Some(socks5) = binding.socks5 {
            self.serve_socks5(socks5, config, node);
        }
        Ok(())
    }

    /// Every forward as the READY line tells it.
    pub(super) fn descriptions(&self) -> impl Iterator<Item = Description> {
        let forwards = self.running.iter().map(|running| &running.description);
        forwards.chain(&self.socks5).cloned()
    }

    /// Who comes from which address, to be forgotten when that changes.
    pub(super) fn identities(&self) -> Identities {
        self.shared.identities.clone()
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

    /// Sees to it that there is a certificate if a forward needs one.
    async fn certify(&mut self, configured: &Configured, node: &Node) -> Result<(), Failure> {
        if configured.protocol() == Protocol::Tls && self.certificate.is_none() {
            self.certificate = Some(Keeper::start(node.questions()).await?);
        }
        Ok(())
    }

    /// Opens a listener, with the certificate if it needs one.
    async fn open(&mut self, bound: Bound, node: &Node) -> Result<Opened, Failure> {
        self.certify(&bound.configured, node).await?;
        bound.open(node, self.certificate.as_ref()).await
    }

    fn serve(&mut self, opened: Opened, config: &Config, node: &Node) -> Running {
        let Opened {
            configured,
            listen,
            listener,
        } = opened;
        let description = Description {
            called: configured.name.clone(),
            kind: configured.kind(),
            listen,
            target: configured.target(),
        };
        let options = &configured.options;
        let settings = route::settings(options, config);
        let udp_settings = route::udp_settings(options, config);
        let begin = Begin::new(&self.shared, &description, &configured);
        let Shutdown { drain: stop, abort } = begin.shutdown.clone();
        let ended = begin.ended.clone();
        let gate = || {
            let gate = self.shared.gate(&configured);
            Arc::new(Limited::new(gate, gate::limits(&configured)))
        };
        let machine = || route::to_machine(&configured, config, &self.resolver);
        let tailnet = || route::to_tailnet(&configured, node.dialer());
        let switch = match listener {
            Listener::Tailnet(listener) => {
                let (gate, dial) = (gate(), machine());
                let switch = self.begin(begin, listener, Arc::clone(&gate), dial, settings);
                Switch::ToMachine(switch, gate)
            }
            Listener::Tls(listener) => {
                let (gate, dial) = (gate(), machine());
                let switch = self.begin(begin, listener, Arc::clone(&gate), dial, settings);
                Switch::ToMachine(switch, gate)
            }
            Listener::Local(listener) => {
                let dial = tailnet();
                Switch::ToTailnet(self.begin(begin, listener, Open, dial, settings))
            }
            Listener::Unix(listener) => {
                let dial = tailnet();
                Switch::ToTailnet(self.begin(begin, listener, Open, dial, settings))
            }
            Listener::TailnetUdp(source) => {
                let target = route::udp_to_machine(&configured, &self.resolver);
                let gate = gate();
                let same = Arc::clone(&gate);
                let switch = self.begin_udp(begin, source, same, target, udp_settings);
                Switch::UdpToMachine(switch, gate)
            }
            Listener::LocalUdp(source) => {
                let target = route::udp_to_tailnet(&configured, node.dialer());
                Switch::UdpToTailnet(self.begin_udp(begin, source, Open, target, udp_settings))
            }
        };
        Running {
            configured,
            description,
            stop,
            abort,
            ended,
            switch,
        }
    }

    fn serve_socks5(&mut self, socks5: Socks5, config: &Config, node: &Node) {
        let Socks5 {
            listen,
            listener,
            rules,
        } = socks5;
        let description = Description {
            called: None,
            kind: "socks5",
            listen,
            target: "the tailnet".to_owned(),
        };
        let begin = Begin {
            name: description.name(),
            target: description.target.clone(),
            slots: self.shared.slots.clone(),
            shutdown: self.shared.shutdown.clone(),
            ended: CancellationToken::new(),
        };
        let listener = SocksListener::new(listener, rules, route::asked_for(node.dialer()));
        let dial: Chosen = route::chosen(node.dialer());
        let settings = route::settings(&ForwardOptions::default(), config);
        self.begin(begin, listener, Open, dial, settings);
        self.socks5 = Some(description);
    }
}
