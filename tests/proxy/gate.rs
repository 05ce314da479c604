//! Who is let in, and what the log and the counters say of it.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use tailport::{
    proxy::{
        dial::dial,
        endpoint::{Dial, DialError},
        gate::{Admission, Denied, Gate, Open},
        kernel::KernelStream,
        origin::{Identity, Origin},
        peer::Peer,
        peer_limits::{Limited, PeerLimits},
        target::KernelTarget,
    },
    telemetry::metrics::Ended,
};
use tokio::{net::TcpListener, time::advance};

use crate::{
    log,
    serving::{closed_at_once, echo, echoes, kernel_target, listener, serve_through},
    support::{drain, is_reset},
};

fn alice() -> Identity {
    Identity {
        user: "alice@example.com".into(),
        node: "laptop".into(),
        tags: vec!["tag:desk".into()],
    }
}

/// A gate that answers the same to everyone.
struct Says(Result<Identity, Denied>);

impl Gate for Says {
    async fn admit(&self, _: &Peer) -> Result<Admission, Denied> {
        self.0.clone().map(Admission::from)
    }
}

/// A gate that panics, or never answers.
struct Silent {
    panics: bool,
}

impl Gate for Silent {
    async fn admit(&self, _: &Peer) -> Result<Admission, Denied> {
        assert!(!self.panics, "on purpose");
        std::future::pending().await
    }
}

/// A target that notes for whom it is dialed.
struct Noting {
    target: KernelTarget,
    seen: Arc<Mutex<Vec<Origin>>>,
}

impl std::fmt::Display for Noting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.target.fmt(f)
    }
}

impl Dial for Noting {
    type Stream = KernelStream;

    async fn dial(&self, origin: &Origin, budget: Duration) -> Result<KernelStream, DialError> {
        self.seen.lock().unwrap().push(origin.clone());
        dial(&self.target, origin, budget).await
    }
}

#[tokio::test]
async fn who_is_let_in_is_told_to_the_dial_and_to_the_log() {
    let seen = Arc::default();
    let (address, accept) = listener().await;
    let target = Noting {
        target: kernel_target(echo().await),
        seen: Arc::clone(&seen),
    };
    let serving = serve_through(Some(Says(Ok(alice()))), address, accept, target, 1);
    let client = echoes(address).await;
    let peer = client.local_addr().unwrap();
    drop(client);
    serving.finish().await;
    let expected = Origin {
        peer: peer.into(),
        local: Some(address),
        identity: alice(),
    };
    assert_eq!(*seen.lock().unwrap(), [expected]);
    let line = log::closing(&peer.to_string());
    assert_eq!(line["user"], "alice@example.com");
    assert_eq!(line["node"], "laptop");
    assert_eq!(line["ended"], "clean");
}

#[tokio::test]
async fn who_is_not_let_in_is_reset_before_the_target_is_dialed() {
    let nobody_comes = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = kernel_target(nobody_comes.local_addr().unwrap());
    let (address, accept) = listener().await;
    let denied = Denied::new("not on the list").of(alice());
    let serving = serve_through(Says(Err(denied)), address, accept, target, 1);
    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    let peer = client.local_addr().unwrap();
    assert!(is_reset(drain(&mut client).await.1.as_ref()));
    let slots = serving.slots.clone();
    let counts = serving.finish().await.snapshot();
    assert_eq!((counts.accepted, counts.ended(Ended::Denied)), (1, 1));
    assert_eq!(slots.free(), 1);

    let line = log::closing(&peer.to_string());
    assert_eq!(
        (&line["level"], &line["ended"]),
        (&"WARN".into(), &"denied".into())
    );
    assert_eq!(
        (&line["user"], &line["node"]),
        (&"alice@example.com".into(), &"laptop".into())
    );
    assert_eq!(line["reason"], "not on the list");
    let listener = nobody_comes.into_std().unwrap();
    let error = listener.accept().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn what_is_not_known_of_a_peer_is_not_in_the_log() {
    let (address, accept) = listener().await;
    let serving = serve_through(
        None::<Says>,
        address,
        accept,
        kernel_target(echo().await),
        1,
    );
    let client = echoes(address).await;
    let peer = client.local_addr().unwrap();
    drop(client);
    serving.finish().await;
    let line = log::closing(&peer.to_string());
    assert!(
        line.get("user").is_none() && line.get("node").is_none(),
        "{line}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_does_not_answer_lets_nobody_in() {
    let (address, accept) = listener().await;
    let target = kernel_target(echo().await);
    let serving = serve_through(Silent { panics: false }, address, accept, target, 1);
    closed_at_once(address).await;
    let counts = serving.finish().await.snapshot();
    assert_eq!(counts.ended(Ended::Denied), 1);
}

#[tokio::test]
async fn a_gate_that_panics_lets_nobody_in() {
    let (address, accept) = listener().await;
    let target = kernel_target(echo().await);
    let serving = serve_through(Silent { panics: true }, address, accept, target, 1);
    closed_at_once(address).await;
    let slots = serving.slots.clone();
    let counts = serving.finish().await.snapshot();
    assert_eq!(counts.ended(Ended::Panicked), 1);
    assert_eq!(slots.free(), 1);
}

#[tokio::test]
async fn a_peer_is_held_to_its_connections_until_one_of_them_ends() {
    let (address, accept) = listener().await;
    let limits = PeerLimits {
        at_once: Some(2),
        per_second: None,
    };
    let gate = Arc::new(Limited::new(Open, limits));
    let target = kernel_target(echo().await);
    let serving = serve_through(Arc::clone(&gate), address, accept, target, 10);
    let one = echoes(address).await;
    let _two = echoes(address).await;
    closed_at_once(address).await;
    drop(one);
    while serving.metrics.snapshot().ended(Ended::Clean) == 0 {
        tokio::task::yield_now().await;
    }
    drop(echoes(address).await);
    assert_eq!(serving.metrics.snapshot().ended(Ended::Denied), 1);
    assert_eq!(gate.peers(), 1);
}

fn at(address: &str) -> Peer {
    Peer::Address(address.parse().unwrap())
}

#[tokio::test(start_paused = true)]
async fn new_connections_of_a_peer_are_held_to_its_rate() {
    let limits = PeerLimits {
        at_once: None,
        per_second: Some(4),
    };
    let gate = Limited::new(Open, limits);
    let passes = async |address: &str| gate.admit(&at(address)).await.is_ok();
    for _ in 0..4 {
        assert!(passes("100.64.0.1:1000").await);
    }
    assert!(
        !passes("100.64.0.1:2000").await,
        "another port is the same peer"
    );
    assert!(
        !passes("[::ffff:100.64.0.1]:1000").await,
        "in other clothes too"
    );
    assert!(passes("100.64.0.2:1000").await, "another address is not");
    advance(Duration::from_millis(250)).await;
    assert!(passes("100.64.0.1:1000").await);
    assert!(!passes("100.64.0.1:1000").await);
    advance(Duration::from_secs(60)).await;
    for _ in 0..4 {
        assert!(passes("100.64.0.1:1000").await);
    }
    assert!(!passes("100.64.0.1:1000").await, "a rest does not add up");
}

#[tokio::test(start_paused = true)]
async fn a_node_is_one_peer_whatever_its_address() {
    let limits = PeerLimits {
        at_once: Some(1),
        per_second: None,
    };
    let gate = Limited::new(Says(Ok(alice())), limits);
    let held = gate.admit(&at("100.64.0.1:1000")).await.unwrap();
    let denied = gate.admit(&at("[fd7a::1]:1000")).await.unwrap_err();
    assert_eq!(denied.identity, alice());
    assert!(denied.to_string().contains("laptop"), "{denied}");
    drop(held);
    gate.admit(&at("[fd7a::1]:1000")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn no_more_than_ten_thousand_peers_are_kept_in_mind() {
    let limits = PeerLimits {
        at_once: Some(1),
        per_second: Some(1),
    };
    let gate = Limited::new(Open, limits);
    let address = |n: u32| Peer::Address((std::net::Ipv4Addr::from(n), 1).into());
    let held = gate.admit(&address(0)).await.unwrap();
    for n in 1..10_000 {
        drop(gate.admit(&address(n)).await.unwrap());
    }
    assert!(gate.admit(&address(10_000)).await.is_err(), "all are fresh");
    advance(Duration::from_secs(1)).await;
    drop(gate.admit(&address(10_000)).await.unwrap());
    assert_eq!(
        gate.peers(),
        2,
        "the one that holds a connection, and the new one"
    );
    assert!(gate.admit(&address(0)).await.is_err(), "it still does");
    drop(held);
}
