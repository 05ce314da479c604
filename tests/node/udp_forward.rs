//! UDP forwarded over the tailnet: one node's local socket leads to a port of the
//! other one, which leads to a server of this machine.

use std::{io, sync::Arc, time::Duration};

use tailport::{
    proxy::{
        gate::Open,
        node::{NodeFlowListener, NodeTarget},
        resolve::Resolver,
        slots::Slots,
        udp::{FlowSource, FlowTarget, UdpForward, UdpListener, UdpSettings, UdpTarget},
    },
    shutdown::Shutdown,
    telemetry::metrics::{Ended, Metrics},
};
use tokio::{net::UdpSocket, task::JoinSet, time::timeout};
use tokio_util::task::TaskTracker;

use crate::stage::{self, in_time};
use crate::support::{home::Home, patience::PATIENCE};

const PORT: u16 = 5301;

/// After how long a datagram counts as lost.
const LOST: Duration = Duration::from_secs(1);

/// Sends a datagram until it comes back.
async fn echoed(client: &UdpSocket, datagram: &[u8]) {
    let mut answer = vec![0; 65536];
    loop {
        client.send(datagram).await.unwrap();
        if let Ok(length) = timeout(LOST, client.recv(&mut answer)).await
            && answer[..length.unwrap()] == *datagram
        {
            return;
        }
    }
}

/// What serves both forwards.
#[derive(Default)]
struct Both {
    serving: JoinSet<io::Result<()>>,
    tracker: TaskTracker,
    shutdown: Shutdown,
}

impl Both {
    fn serve(&mut self, source: impl FlowSource, target: impl FlowTarget) -> Arc<Metrics> {
        let metrics = Arc::new(Metrics::default());
        let forward = UdpForward {
            name: "udp".into(),
            source,
            gate: Open,
            target,
            settings: UdpSettings::new(PATIENCE, Duration::ZERO),
            slots: Slots::new(10),
            metrics: Arc::clone(&metrics),
        };
        let (tracker, shutdown) = (self.tracker.clone(), self.shutdown.clone());
        self.serving
            .spawn(async move { forward.serve(&tracker, &shutdown).await });
        metrics
    }
}

#[tokio::test]
async fn local_clients_reach_a_server_behind_another_node_with_boundaries_kept() {
    let (home, other_home) = (Home::new(), Home::new());
    let [(node, info), (other, _)] =
        stage::two([(&home, "dgram-near"), (&other_home, "dgram-far")]).await;
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = server.local_addr().unwrap().port();
    let mut echoing = JoinSet::new();
    echoing.spawn(async move {
        let mut buffer = vec![0; 65536];
        loop {
            let (length, from) = server.recv_from(&mut buffer).await.unwrap();
            server.send_to(&buffer[..length], from).await.unwrap();
        }
    });

    let mut both = Both::default();
    let local = UdpListener::bind("127.0.0.1:0".parse().unwrap())
        .await
        .unwrap();
    let address = local.local_addr().unwrap();
    let resolver = Arc::new(Resolver::default());
    let exposed = NodeFlowListener::new(other.listen_udp(PORT).await.unwrap());
    let far = both.serve(exposed, UdpTarget::new("127.0.0.1", port, resolver));
    let to = NodeTarget::new(node.dialer(), format!("dgram-far:{PORT}"));
    let near = both.serve(local, to);

    let mut clients = Vec::new();
    for _ in 0..5 {
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        client.connect(address).await.unwrap();
        clients.push(client);
    }
    for (number, client) in clients.iter().enumerate() {
        for size in [1, 1200, 0, 9000, tailport::tailnet::DATAGRAM_MAX] {
            let byte = u8::try_from(number + 1).unwrap();
            in_time(echoed(client, &vec![byte; size])).await;
        }
    }
    for metrics in [&near, &far] {
        let counts = metrics.snapshot();
        assert_eq!((counts.accepted, counts.active), (5, 5));
    }
    let recent = far.recent();
    both.shutdown.drain.cancel();
    while let Some(ended) = in_time(both.serving.join_next()).await {
        ended.unwrap().unwrap();
    }
    assert_eq!(near.snapshot().ended(Ended::Idle), 5);
    assert_eq!(far.snapshot().active, 0);
    let past = recent.newest_first();
    assert_eq!(past.len(), 5);
    assert!(
        past.iter()
            .all(|past| past.peer.starts_with(&format!("{}:", info.addresses[0]))),
        "{past:?}"
    );
    node.close().await.unwrap();
    other.close().await.unwrap();
}
