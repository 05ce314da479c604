//! UDP between two nodes inside the test process.

use std::net::SocketAddr;
use std::time::Duration;

use tailport::tailnet::{self, DATAGRAM_MAX, ErrorKind, Flow, FlowListener};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::stage::{self, in_time};
use crate::support::home::Home;
use crate::support::patience::{PATIENCE, eventually};

const PORT: u16 = 5300;

/// After how long a datagram counts as lost.
const LOST: Duration = Duration::from_secs(1);

/// Answers every datagram of every flow with itself, until it is dropped.
async fn echo(mut listener: FlowListener) {
    let mut answering = JoinSet::new();
    while let Ok(incoming) = listener.accept().await {
        let mut flow = incoming.claim().unwrap();
        answering.spawn(async move {
            let mut datagram = Vec::new();
            while flow.recv(&mut datagram).await.unwrap() {
                flow.send(&datagram).await.unwrap();
            }
        });
    }
}

/// Sends a datagram until it comes back.
async fn echoed(flow: &mut Flow, datagram: &[u8]) {
    let mut answer = Vec::new();
    flow.send(datagram).await.unwrap();
    loop {
        match timeout(LOST, flow.recv(&mut answer)).await {
            Ok(alive) => assert!(alive.unwrap(), "the flow goes on"),
            Err(_) => flow.send(datagram).await.unwrap(),
        }
        // Another one is the second answer to a datagram that was sent twice.
        if answer == datagram {
            return;
        }
    }
}

#[tokio::test]
async fn datagrams_go_both_ways_whole() {
    let (home, other_home) = (Home::new(), Home::new());
    let [(node, info), (other, other_info)] =
        stage::two([(&home, "sends"), (&other_home, "echoes")]).await;
    let listener = other.listen_udp(PORT).await.unwrap();
    let error = other.listen_udp(PORT).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PortInUse, "{error}");
    let mut echoes = JoinSet::new();
    echoes.spawn(echo(listener));

    let target = SocketAddr::new(other_info.addresses[0], PORT);
    let mut flows = Vec::new();
    for _ in 0..5 {
        let dialer = node.dialer();
        let flow = dialer.dial_udp("echoes:5300", PATIENCE).await.unwrap();
        assert_eq!(flow.remote(), target);
        assert_eq!(flow.local().ip(), info.addresses[0]);
        flows.push(flow);
    }
    for flow in &mut flows {
        for size in [1, 1200, 0, DATAGRAM_MAX, 9000] {
            let byte = u8::try_from(flow.local().port() % 251).unwrap();
            in_time(echoed(flow, &vec![byte; size])).await;
        }
    }

    let error = node
        .dialer()
        .dial_udp("127.0.0.1:53", PATIENCE)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotInTailnet, "{error}");

    // The node's close ends what is claimed; dropping a flow ends it as well.
    let mut last = flows.pop().unwrap();
    drop(flows);
    node.close().await.unwrap();
    let mut datagram = Vec::new();
    while in_time(last.recv(&mut datagram)).await.unwrap() {}
    other.close().await.unwrap();
    echoes.shutdown().await;
    drop(last);
    eventually("no id is left", PATIENCE, || {
        tailnet::count().unwrap().connections == 0
    });
}
