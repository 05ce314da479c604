//! A node inside the test process, where the Go half and the runtime can be asked
//! what is alive: after thousands of connections no goroutine, map entry, task or
//! slot is left.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tailport::proxy::endpoint::{Accept, Dial};
use tailport::proxy::gate::Open;
use tailport::proxy::kernel::{Keepalive, KernelListener};
use tailport::proxy::node::{NodeListener, NodeTarget};
use tailport::proxy::relay::Limits;
use tailport::proxy::resolve::Resolver;
use tailport::proxy::slots::Slots;
use tailport::proxy::target::KernelTarget;
use tailport::proxy::{Forward, Settings};
use tailport::shutdown::Shutdown;
use tailport::tailnet::{self, Counts, Environment, Node, NodeInfo, NodeOptions, StartEvent};
use tailport::telemetry::metrics::Metrics;
use tokio::runtime::{Builder, Runtime};
use tokio_util::task::TaskTracker;

use crate::echo::Echo;
use crate::load::Load;
use crate::stage;
use crate::support::home::Home;
use crate::support::patience::{PATIENCE, eventually};
use crate::support::peer::Peer;
use crate::support::process::descriptor_limit;

/// Connections held at once, if there are descriptors: here each takes three of the
/// node's and one of the target's.
const HELD: usize = 2_000;

/// Descriptors of the test besides those of held connections.
const OF_THE_TEST: usize = 500;

/// Short connections, from the tailnet and to it.
const SHORT: usize = 10_000;

/// Connections at one time.
const WORKERS: usize = 64;

/// The node's port and the peer's.
const PORT: u16 = 7000;

/// Time for thousands of connections on a slow machine.
const LONG: Duration = Duration::from_secs(180);

#[test]
fn nothing_is_alive_after_thousands_of_connections() {
    let _machine = stage::alone();
    let most = HELD.min(descriptor_limit().saturating_sub(OF_THE_TEST) / 4);
    let target = Echo::start();
    let peer = Peer::start(stage::tailnet());
    let listening = peer.listen(PORT, target.address());
    let inside = Inside::start(&peer, target.address(), most);
    peer.greet(inside.address.ip());

    let round = |held: usize, short: usize| {
        let mut load = Load::hold(&peer, inside.address, held, WORKERS);
        assert_eq!(load.outcome(LONG).handshakes, held as u64);
        assert_eq!(load.echo(LONG).echoed, held as u64);
        println!("  {held} held: {:?}", inside.alive());
        drop(load);
        let churned = Load::churn(&peer, inside.address, short, WORKERS).outcome(LONG);
        assert_eq!(churned.echoed, short as u64, "{churned:?}");
        let outward = Load::churn(&peer, inside.entry, short, WORKERS).outcome(LONG);
        assert_eq!(outward.echoed, short as u64, "{outward:?}");
    };
    // What the first connections of a process leave behind is no leak.
    round(WORKERS, 10 * WORKERS);
    let before = inside.settled();
    println!("  before: {before:?}");
    round(most, SHORT);
    eventually("as much is alive as before", PATIENCE, || {
        let now = inside.alive();
        now.0.connections == 0 && now.0.lingering == 0 && now.at_most(&before)
    });
    println!("  after: {:?}", inside.alive());
    assert_eq!(inside.slots.free(), most, "slots");
    assert_eq!(inside.metrics.snapshot().active, 0, "active connections");
    assert!(inside.connections.is_empty(), "tasks of connections");
    drop(listening);
}

/// What is alive in both halves: in the Go half, and the runtime's tasks.
#[derive(Debug)]
struct Alive(Counts, usize);

impl Alive {
    /// Whether nothing has become more. Goroutines of the node's own come and go.
    fn at_most(&self, before: &Self) -> bool {
        self.0.goroutines <= before.0.goroutines + 4
            && self.0.mailboxes <= before.0.mailboxes
            && self.1 <= before.1
    }
}

/// The node and its two forwards.
struct Inside {
    address: SocketAddr,
    entry: SocketAddr,
    slots: Slots,
    metrics: Arc<Metrics>,
    connections: TaskTracker,
    runtime: Runtime,
    _node: Node,
    _home: Home,
}

impl Inside {
    fn start(peer: &Peer, target: SocketAddr, cap: usize) -> Self {
        let quiet = [("TS_DISABLE_PORTMAPPER", "true".to_owned())];
        tailnet::init(&Environment {
            unset: &["TS_AUTHKEY"],
            set: BTreeMap::from(quiet),
            log_upload: false,
            memory_limit: 0,
        })
        .expect("setting up the Go half");
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("starting a runtime");
        let (slots, metrics) = (Slots::new(cap), Arc::<Metrics>::default());
        let (connections, home) = (TaskTracker::new(), Home::new());
        let (node, info, entry) = runtime.block_on(async {
            let (node, info) = up(&home).await;
            let settings = Settings {
                dial_timeout: PATIENCE,
                limits: Limits::new(Duration::ZERO),
            };
            let exposed = node.listen(PORT).await.expect("listening on the tailnet");
            let resolver = Arc::new(Resolver::default());
            let keepalive = Keepalive::default();
            let here = SocketAddr::from(([127, 0, 0, 1], 0));
            let local = KernelListener::bind(here, keepalive)
                .await
                .expect("listening on loopback");
            let entry = local.local_addr().expect("a listener has an address");
            let to_target =
                KernelTarget::new(target.ip().to_string(), target.port(), resolver, keepalive);
            let outward = SocketAddr::new(peer.address(), PORT).to_string();
            let to_peer = NodeTarget::new(node.dialer(), outward);
            let serve = Serve {
                settings,
                slots: &slots,
                metrics: &metrics,
                connections: &connections,
            };
            serve.start("expose", NodeListener::new(exposed), to_target);
            serve.start("connect", local, to_peer);
            (node, info, entry)
        });
        let address = info.addresses.iter().find(|address| address.is_ipv4());
        let address = *address.expect("a node has an IPv4 address");
        stage::tailnet().wait_reachable(address);
        Self {
            address: SocketAddr::new(address, PORT),
            entry,
            slots,
            metrics,
            connections,
            runtime,
            _node: node,
            _home: home,
        }
    }

    fn alive(&self) -> Alive {
        let counts = tailnet::count().expect("the Go half counts");
        Alive(counts, self.runtime.metrics().num_alive_tasks())
    }

    /// What is alive when no connection is.
    fn settled(&self) -> Alive {
        eventually("no connection is left", PATIENCE, || {
            let now = self.alive().0;
            now.connections == 0 && now.lingering == 0 && self.connections.is_empty()
        });
        std::thread::sleep(Duration::from_secs(1));
        self.alive()
    }
}

/// What both forwards share.
struct Serve<'a> {
    settings: Settings,
    slots: &'a Slots,
    metrics: &'a Arc<Metrics>,
    connections: &'a TaskTracker,
}

impl Serve<'_> {
    fn start(&self, name: &str, accept: impl Accept, dial: impl Dial) {
        let forward = Forward {
            name: name.to_owned(),
            accept,
            gate: Open,
            dial,
            settings: self.settings,
            slots: self.slots.clone(),
            metrics: Arc::clone(self.metrics),
        };
        let connections = self.connections.clone();
        tokio::spawn(async move {
            let served = forward.serve(&connections, &Shutdown::default()).await;
            served.expect("the listener stays");
        });
    }
}

async fn up(home: &Home) -> (Node, NodeInfo) {
    let key = fs::read_to_string(stage::tailnet().key_file()).expect("reading the key");
    let (node, mut starting) = Node::start(&NodeOptions {
        dir: home.path().to_owned(),
        hostname: "inside".to_owned(),
        control_url: Some(stage::tailnet().control_url().to_owned()),
        auth_key: Some(key.trim().into()),
        client_secret: None,
        tags: Vec::new(),
        ephemeral: false,
        keepalive: Duration::ZERO,
    })
    .expect("starting a node");
    loop {
        if let StartEvent::Running(info) = starting.next().await.expect("the node comes up") {
            return (node, info);
        }
    }
}
