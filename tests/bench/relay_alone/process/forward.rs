//! A forward of tailport between sockets of this machine: what the program runs, but
//! for the tailnet, with its default settings and nobody who reads its log.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tailport::proxy::gate::Open;
use tailport::proxy::kernel::{Keepalive, KernelListener};
use tailport::proxy::relay::Limits;
use tailport::proxy::resolve::Resolver;
use tailport::proxy::slots::Slots;
use tailport::proxy::target::KernelTarget;
use tailport::proxy::{Forward, Settings};
use tailport::shutdown::Shutdown;
use tailport::telemetry::metrics::Metrics;
use tokio_util::task::TaskTracker;

const KEEPALIVE: Keepalive = Keepalive {
    idle: Duration::from_secs(60),
};

/// Relays until stdin ends.
pub(super) fn run(target: SocketAddr) {
    let runtime = super::runtime();
    let accept = runtime
        .block_on(KernelListener::bind(super::loopback(), KEEPALIVE))
        .expect("listening on loopback");
    let address = accept.local_addr().expect("a listener has an address");
    let host = target.ip().to_string();
    let forward = Forward {
        name: "relay".to_owned(),
        accept,
        gate: Open,
        dial: KernelTarget::new(host, target.port(), Arc::<Resolver>::default(), KEEPALIVE),
        settings: Settings {
            dial_timeout: Duration::from_secs(5),
            limits: Limits::new(Duration::ZERO),
        },
        slots: Slots::new(1024),
        metrics: Arc::new(Metrics::default()),
    };
    let (tracker, shutdown) = (TaskTracker::new(), Shutdown::default());
    runtime.spawn(async move { forward.serve(&tracker, &shutdown).await });
    super::ready(address);
}
