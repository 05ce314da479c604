//! Where a forward's connections go, and by which times and rules.

use std::sync::Arc;
use std::time::Duration;

use crate::config::{Config, Forward, ForwardOptions, Host, ProxyProtocol, Target};
use crate::proxy::Settings;
use crate::proxy::destination::Destination;
use crate::proxy::failover::Failover;
use crate::proxy::kernel::Keepalive;
use crate::proxy::node::NodeTarget;
use crate::proxy::proxy_protocol::{Announced, Version};
use crate::proxy::relay::Limits;
use crate::proxy::resolve::Resolver;
use crate::proxy::socks::SocksTarget;
use crate::proxy::target::{KernelTarget, LocalTarget, UnixTarget};
use crate::proxy::udp::{UdpSettings, UdpTarget};
use crate::tailnet::Dialer;

/// What an expose dials.
pub(super) type ToMachine = Announced<Failover<LocalTarget>>;
/// What a connect dials.
pub(super) type ToTailnet = Announced<Failover<NodeTarget>>;
/// What SOCKS5 clients are led to: the tailnet, and nothing else.
pub(super) type Chosen = SocksTarget<NodeTarget>;

/// The times of a forward: its own, else the node's.
pub(super) fn settings(own: &ForwardOptions, config: &Config) -> Settings {
    let (dial_timeout, idle) = times(own, config);
    let limits = Limits::new(idle);
    Settings {
        dial_timeout,
        limits,
    }
}

/// The times of a forward of datagrams.
pub(super) fn udp_settings(own: &ForwardOptions, config: &Config) -> UdpSettings {
    let (dial_timeout, idle) = times(own, config);
    UdpSettings::new(dial_timeout, idle)
}

/// The time of a dial, and the idle time; 0 is none.
fn times(own: &ForwardOptions, config: &Config) -> (Duration, Duration) {
    let all = &config.timeouts;
    let idle = own.idle_timeout.or(all.idle).unwrap_or_default();
    (own.dial_timeout.unwrap_or(all.dial), idle)
}

/// The target of an expose of datagrams. The configuration lets no Unix socket be
/// one; its path would be a name that nobody has.
pub(super) fn udp_to_machine(configured: &Forward, resolver: &Arc<Resolver>) -> UdpTarget {
    let (host, port) = match configured.targets.first() {
        Some(Target::Network { host, port }) => (name(host), *port),
        Some(Target::Unix(_)) | None => (configured.target(), 0),
    };
    UdpTarget::new(host, port, Arc::clone(resolver))
}

/// The target of a connect of datagrams.
pub(super) fn udp_to_tailnet(configured: &Forward, dialer: Dialer) -> NodeTarget {
    NodeTarget::new(dialer, configured.target())
}

fn name(host: &Host) -> String {
    match host {
        Host::Ip(address) => address.to_string(),
        Host::Name(name) => name.clone(),
    }
}

/// The targets of an expose.
pub(super) fn to_machine(
    configured: &Forward,
    config: &Config,
    resolver: &Arc<Resolver>,
) -> ToMachine {
    let keepalive = Keepalive {
        idle: config.timeouts.keepalive.unwrap_or_default(),
    };
    let targets = configured.targets.iter().map(|target| match target {
        Target::Unix(path) => UnixTarget::new(path.as_path()).into(),
        Target::Network { host, port } => {
            KernelTarget::new(name(host), *port, Arc::clone(resolver), keepalive).into()
        }
    });
    Announced::new(Failover::new(targets), header(configured))
}

/// The targets of a connect.
pub(super) fn to_tailnet(configured: &Forward, dialer: Dialer) -> ToTailnet {
    let targets = configured.targets.iter();
    let targets = targets.map(|target| NodeTarget::new(dialer.clone(), target.to_string()));
    Announced::new(Failover::new(targets), header(configured))
}

/// Wherever SOCKS5 clients ask for, as far as it is on the tailnet.
pub(super) fn chosen(dialer: Dialer) -> Chosen {
    SocksTarget::new(asked_for(dialer))
}

/// Wherever a SOCKS5 client's connections and datagrams shall go, by the tailnet only.
pub(super) fn asked_for(dialer: Dialer) -> impl Fn(&Destination) -> NodeTarget + Send + Sync {
    move |destination| NodeTarget::new(dialer.clone(), destination.to_string())
}

fn header(configured: &Forward) -> Option<Version> {
    configured
        .options
        .proxy_protocol
        .map(|version| match version {
            ProxyProtocol::V1 => Version::One,
            ProxyProtocol::V2 => Version::Two,
        })
}
