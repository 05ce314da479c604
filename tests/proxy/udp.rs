//! UDP: datagrams keep their boundaries and find their way back, and flows end.

use std::{
    collections::HashSet, fmt, future::pending, io, net::SocketAddr, sync::Arc, time::Duration,
};

use bytes::Bytes;
use tailport::{
    proxy::{
        endpoint::DialError,
        gate::{Admission, Denied, Gate, Open},
        peer::Peer,
        resolve::Resolver,
        slots::Slots,
        udp::{
            FlowIncoming, FlowSource, FlowTarget, IDLE, Link, Sent, UdpForward, UdpListener,
            UdpSettings, UdpTarget,
        },
    },
    shutdown::Shutdown,
    telemetry::metrics::{Ended, Metrics},
};
use tokio::{
    net::UdpSocket,
    sync::mpsc,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::task::TaskTracker;

use crate::{
    log,
    support::{PATIENCE, pattern},
};

/// A forward that serves.
struct Serving {
    slots: Slots,
    metrics: Arc<Metrics>,
    tracker: TaskTracker,
    shutdown: Shutdown,
    task: JoinHandle<io::Result<()>>,
}

fn serve(source: impl FlowSource, target: impl FlowTarget, cap: usize) -> Serving {
    guarded(source, Open, target, cap)
}

fn guarded(
    source: impl FlowSource,
    gate: impl Gate,
    target: impl FlowTarget,
    cap: usize,
) -> Serving {
    log::keep();
    let slots = Slots::new(cap);
    let (metrics, tracker) = (Arc::new(Metrics::default()), TaskTracker::new());
    let shutdown = Shutdown::default();
    let forward = UdpForward {
        name: "test".into(),
        source,
        gate,
        target,
        settings: UdpSettings::new(Duration::from_secs(5), Duration::ZERO),
        slots: slots.clone(),
        metrics: Arc::clone(&metrics),
    };
    let task = {
        let (tracker, shutdown) = (tracker.clone(), shutdown.clone());
        tokio::spawn(async move { forward.serve(&tracker, &shutdown).await })
    };
    Serving {
        slots,
        metrics,
        tracker,
        shutdown,
        task,
    }
}

impl Serving {
    /// Waits until so many flows have ended this way.
    async fn ended(&self, ended: Ended, count: u64) {
        let seen = async {
            while self.metrics.snapshot().ended(ended) < count {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, seen)
            .await
            .unwrap_or_else(|_| panic!("{ended:?}: {:?}", self.metrics.snapshot()));
    }

    /// Ends what there is; every slot is back, and every flow ended once.
    async fn finish(self) -> Arc<Metrics> {
        let cap = self.slots.free() + usize::try_from(self.metrics.snapshot().active).unwrap();
        self.shutdown.drain.cancel();
        self.shutdown.abort.cancel();
        self.task.await.unwrap().unwrap();
        self.tracker.close();
        self.tracker.wait().await;
        assert_eq!(self.slots.free(), cap);
        let counts = self.metrics.snapshot();
        let ends: u64 = counts.ends.iter().map(|(_, count)| count).sum();
        assert_eq!((counts.active, ends), (0, counts.accepted), "{counts:?}");
        self.metrics
    }
}

async fn listener() -> (SocketAddr, UdpListener) {
    let any = "127.0.0.1:0".parse().unwrap();
    let listener = UdpListener::bind(any).await.unwrap();
    (listener.local_addr().unwrap(), listener)
}

fn target(address: SocketAddr) -> UdpTarget {
    let resolver = Arc::new(Resolver::default());
    UdpTarget::new(address.ip().to_string(), address.port(), resolver)
}

async fn socket() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.unwrap()
}

/// A server that sends every datagram back.
async fn echo() -> SocketAddr {
    let socket = socket().await;
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = vec![0; 65536];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let _ = socket.send_to(&buffer[..length], from).await;
        }
    });
    address
}

/// Makes its port one where nothing listens, and keeps it: a connected socket hears
/// its own peer only.
async fn deaf(socket: &UdpSocket) {
    socket.connect(socket.local_addr().unwrap()).await.unwrap();
}

async fn client(of: SocketAddr) -> UdpSocket {
    let socket = socket().await;
    socket.connect(of).await.unwrap();
    socket
}

/// Sends until an answer comes: UDP may lose either.
async fn exchange(client: &UdpSocket, datagram: &[u8]) -> Vec<u8> {
    let mut buffer = vec![0; 65536];
    let trying = async {
        loop {
            client.send(datagram).await.unwrap();
            let answer = timeout(Duration::from_millis(500), client.recv(&mut buffer));
            if let Ok(length) = answer.await {
                return length.unwrap();
            }
        }
    };
    let length = timeout(PATIENCE, trying).await.unwrap();
    buffer[..length].to_vec()
}

#[tokio::test]
async fn every_datagram_arrives_as_it_was_sent() {
    let (address, source) = listener().await;
    let serving = serve(source, target(echo().await), 1);
    let client = client(address).await;
    let mut bytes = 0;
    for length in [0, 1, 1200, 65507, 0, 2] {
        let datagram = pattern(length, 1);
        assert_eq!(exchange(&client, &datagram).await, datagram, "{length}");
        bytes += length as u64;
    }
    let counts = serving.finish().await.snapshot();
    assert!(counts.to_target >= bytes && counts.to_peer >= bytes);
    assert_eq!((counts.accepted, counts.dropped_datagrams), (1, 0));
}

#[tokio::test]
async fn a_thousand_clients_at_once_each_hear_their_own_answers() {
    const CLIENTS: usize = 1000;
    let (address, source) = listener().await;
    let serving = serve(source, target(echo().await), CLIENTS);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            tokio::spawn(async move {
                let client = client(address).await;
                let mine = format!("client {number}");
                for round in 0..3 {
                    let question = format!("{mine} {round}").into_bytes();
                    let answer = exchange(&client, &question).await;
                    // A repeated question may be answered twice, but only to its own client.
                    assert!(answer.starts_with(format!("{mine} ").as_bytes()));
                }
            })
        })
        .collect();
    assert_eq!(clients.len(), CLIENTS);
    for client in clients {
        client.await.unwrap();
    }
    let counts = serving.metrics.snapshot();
    assert_eq!((counts.accepted, counts.active), (1000, 1000));
    assert_eq!(serving.slots.free(), 0);
    assert_eq!(
        serving.finish().await.snapshot().ended(Ended::Aborted),
        1000
    );
}

#[tokio::test]
async fn a_client_over_the_cap_is_not_served_and_counted_until_a_slot_is_free() {
    let (address, source) = listener().await;
    let server = socket().await;
    let serving = serve(source, target(server.local_addr().unwrap()), 1);
    let (first, second) = (client(address).await, client(address).await);
    first.send(b"first").await.unwrap();
    let mut buffer = [0; 16];
    assert_eq!(server.recv(&mut buffer).await.unwrap(), 5);
    while serving.metrics.snapshot().refused < 3 {
        second.send(b"second").await.unwrap();
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(serving.metrics.snapshot().refused, serving.slots.refused());
    // Its target goes away: the answer to the next datagram ends the first flow.
    deaf(&server).await;
    first.send(b"first").await.unwrap();
    serving.ended(Ended::Reset, 1).await;
    second.send(b"second").await.unwrap();
    serving.ended(Ended::Reset, 2).await;
    serving.finish().await;
}

#[tokio::test]
async fn a_target_that_is_not_there_ends_the_flow_and_the_next_datagram_begins_another() {
    let (address, source) = listener().await;
    let nobody = socket().await;
    let to = nobody.local_addr().unwrap();
    deaf(&nobody).await;
    let serving = serve(source, target(to), 1);
    let client = client(address).await;
    for flow in 1..=3 {
        client.send(b"anyone?").await.unwrap();
        serving.ended(Ended::Reset, flow).await;
    }
    let past = serving.metrics.recent().newest_first();
    assert_eq!(past[0].target, to.to_string());
    assert_eq!(past[0].peer, client.local_addr().unwrap().to_string());
    assert_eq!(serving.finish().await.snapshot().accepted, 3);
}

#[tokio::test]
async fn a_name_that_nobody_knows_ends_the_flow_at_once() {
    let (address, source) = listener().await;
    let resolver = Arc::new(Resolver::new("/nowhere/hosts", "/nowhere/resolv.conf"));
    let serving = serve(source, UdpTarget::new("nobody.invalid", 53, resolver), 1);
    client(address).await.send(b"?").await.unwrap();
    serving.ended(Ended::DialFailed, 1).await;
    let counts = serving.finish().await.snapshot();
    assert_eq!(counts.dial_errors["unknown_name"], 1);
}

/// Lets nobody in.
struct Closed;

impl Gate for Closed {
    async fn admit(&self, _: &Peer) -> Result<Admission, Denied> {
        Err(Denied::new("closed"))
    }
}

#[tokio::test]
async fn a_client_that_is_not_let_in_reaches_no_target() {
    let (address, source) = listener().await;
    let server = socket().await;
    let to = target(server.local_addr().unwrap());
    let serving = guarded(source, Closed, to, 1);
    let client = client(address).await;
    for flow in 1..=3 {
        client.send(b"let me in").await.unwrap();
        serving.ended(Ended::Denied, flow).await;
    }
    serving.finish().await;
    let heard = server.try_recv(&mut [0]).unwrap_err();
    assert_eq!(heard.kind(), io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn during_a_drain_the_flows_that_are_there_go_on_and_no_other_begins() {
    let (address, source) = listener().await;
    let serving = serve(source, target(echo().await), 2);
    let (old, new) = (client(address).await, client(address).await);
    exchange(&old, b"before").await;
    serving.shutdown.drain.cancel();
    for round in 0..50 {
        // In order, on one socket: the old one's answer shows that the new one was heard.
        new.send(b"too late").await.unwrap();
        exchange(&old, &[round]).await;
    }
    assert_eq!(serving.metrics.snapshot().accepted, 1);
    // Left alone it ends by itself, and with it the forward.
    timeout(PATIENCE, serving.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(serving.slots.free(), 2);
    assert_eq!(serving.metrics.snapshot().ended(Ended::Idle), 1);
    assert_eq!(
        new.try_recv(&mut [0]).unwrap_err().kind(),
        io::ErrorKind::WouldBlock
    );
}

/// One end of a flow in memory.
struct Pipe {
    incoming: mpsc::Receiver<Bytes>,
    outgoing: mpsc::Sender<Bytes>,
}

impl Pipe {
    fn pair() -> (Self, Self) {
        let (to_a, a) = mpsc::channel(1024);
        let (to_b, b) = mpsc::channel(1024);
        let pipe = |incoming, outgoing| Self { incoming, outgoing };
        (pipe(a, to_b), pipe(b, to_a))
    }
}

impl Link for Pipe {
    async fn recv(&mut self) -> io::Result<Option<Bytes>> {
        Ok(self.incoming.recv().await)
    }

    async fn send(&mut self, datagram: &[u8]) -> io::Result<Sent> {
        match self.outgoing.try_send(Bytes::copy_from_slice(datagram)) {
            Ok(()) => Ok(Sent::Whole),
            Err(_) => Ok(Sent::Dropped),
        }
    }
}

impl FlowIncoming for Pipe {
    type Link = Self;

    fn peer(&self) -> Peer {
        Peer::Unix { uid: None }
    }

    fn claim(self) -> io::Result<Self> {
        Ok(self)
    }

    fn refuse(self) {}
}

/// Gives the flows that it is given.
struct Given(mpsc::Receiver<Pipe>);

impl Given {
    /// One flow.
    fn one(pipe: Pipe) -> Self {
        let (give, given) = mpsc::channel(1);
        give.try_send(pipe).unwrap();
        Self(given)
    }
}

impl FlowSource for Given {
    type Incoming = Pipe;

    async fn next(&mut self) -> io::Result<Pipe> {
        match self.0.recv().await {
            Some(pipe) => Ok(pipe),
            None => pending().await,
        }
    }
}

/// A target in memory, which answers its dial once it is told to.
struct Waits {
    ready: tokio::sync::Notify,
    link: std::sync::Mutex<Option<Pipe>>,
}

impl FlowTarget for Waits {
    type Link = Pipe;

    async fn dial(&self, _: Duration) -> Result<Pipe, DialError> {
        self.ready.notified().await;
        Ok(self.link.lock().unwrap().take().unwrap())
    }
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("waits")
    }
}

/// A target that waits for its permission, and the far end of the flow it gives.
fn waits() -> (Waits, Pipe) {
    let (near, far) = Pipe::pair();
    let waits = Waits {
        ready: tokio::sync::Notify::new(),
        link: std::sync::Mutex::new(Some(near)),
    };
    (waits, far)
}

#[tokio::test(start_paused = true)]
async fn a_flow_lives_as_long_as_something_moves_either_way_and_the_idle_time() {
    let (near, mut peer) = Pipe::pair();
    let (to, mut server) = waits();
    to.ready.notify_one();
    let serving = serve(Given::one(near), to, 1);
    for _ in 0..5 {
        peer.send(b"ping").await.unwrap();
        assert_eq!(server.recv().await.unwrap().unwrap(), "ping");
        sleep(IDLE - Duration::from_millis(10)).await;
        server.send(b"pong").await.unwrap();
        assert_eq!(peer.recv().await.unwrap().unwrap(), "pong");
        sleep(IDLE - Duration::from_millis(10)).await;
    }
    assert_eq!(serving.metrics.snapshot().active, 1);
    sleep(Duration::from_millis(20)).await;
    assert_eq!(serving.metrics.snapshot().ended(Ended::Idle), 1);
    assert_eq!(serving.slots.free(), 1);
    assert_eq!(peer.recv().await.unwrap(), None);
    let counts = serving.finish().await.snapshot();
    assert_eq!((counts.to_target, counts.to_peer), (20, 20));
}

#[tokio::test]
async fn a_side_that_closes_its_flow_ends_it_for_the_other() {
    for by_peer in [true, false] {
        let (near, mut peer) = Pipe::pair();
        let (to, mut server) = waits();
        to.ready.notify_one();
        let serving = serve(Given::one(near), to, 1);
        let rest = if by_peer {
            peer.send(b"bye").await.unwrap();
            drop(peer);
            assert_eq!(server.recv().await.unwrap().unwrap(), "bye");
            &mut server
        } else {
            drop(server);
            &mut peer
        };
        assert_eq!(rest.recv().await.unwrap(), None);
        serving.ended(Ended::Clean, 1).await;
        serving.finish().await;
    }
}

#[tokio::test]
async fn a_queue_that_is_full_drops_whole_datagrams_and_counts_them() {
    const SENT: usize = 300;
    for length in [4, 60_000] {
        let (address, mut source) = listener().await;
        let sender = client(address).await;
        let datagram = pattern(length, 7);
        // Taken as they come, and by nobody else.
        sender.send(&datagram).await.unwrap();
        let first = source.next().await.unwrap();
        for _ in 1..SENT {
            sender.send(&datagram).await.unwrap();
            // The kernel's own queue is emptied before it can be full.
            let more = timeout(Duration::from_millis(1), source.next());
            if length > 1000 {
                assert!(more.await.is_err());
            }
        }
        let other = client(address).await;
        other.send(b"last").await.unwrap();
        let last = source.next().await.unwrap();
        assert_eq!(last.peer(), other.local_addr().unwrap().into());
        last.refuse();
        let mut link = first.claim().unwrap();
        let dropped = usize::try_from(link.dropped()).unwrap();
        let bound = if length == 4 { 128 } else { 2 };
        assert_eq!(dropped, SENT - bound, "{length}");
        for _ in 0..bound {
            assert_eq!(link.recv().await.unwrap().unwrap(), datagram);
        }
        // There is room again.
        sender.send(b"after").await.unwrap();
        let (_, got) = tokio::join!(
            timeout(Duration::from_millis(100), source.next()),
            link.recv()
        );
        assert_eq!(got.unwrap().unwrap(), "after");
    }
}

#[tokio::test]
async fn what_waits_for_the_dial_comes_first_and_what_is_too_long_is_dropped_alone() {
    let (near, mut peer) = Pipe::pair();
    let server = socket().await;
    let serving = serve(Given::one(near), target(server.local_addr().unwrap()), 1);
    for datagram in [&pattern(70_000, 1)[..], b"one", b"two"] {
        peer.send(datagram).await.unwrap();
    }
    let mut buffer = [0; 16];
    for expected in [b"one", b"two"] {
        let length = server.recv(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..length], expected);
    }
    let counts = serving.finish().await.snapshot();
    assert_eq!((counts.dropped_datagrams, counts.to_target), (1, 6));
}

#[tokio::test]
async fn a_flow_leaves_one_line_with_what_moved_and_a_switch_is_for_later_ones() {
    log::keep();
    let (address, source) = listener().await;
    let forward = UdpForward {
        name: "lines".into(),
        source,
        gate: Open,
        target: target(echo().await),
        settings: UdpSettings::new(Duration::from_secs(5), Duration::ZERO),
        slots: Slots::new(2),
        metrics: Arc::new(Metrics::default()),
    };
    let (tracker, shutdown) = (TaskTracker::new(), Shutdown::default());
    let (serving, switch) = forward.split(&tracker, &shutdown);
    let task = tokio::spawn(serving.run());
    let (old, new) = (client(address).await, client(address).await);
    exchange(&old, b"first").await;
    let server = socket().await;
    let later = target(server.local_addr().unwrap());
    let settings = UdpSettings::new(Duration::from_secs(5), IDLE);
    switch.turn(Open, later, settings);
    new.send(b"elsewhere").await.unwrap();
    let mut buffer = [0; 16];
    let length = timeout(PATIENCE, server.recv(&mut buffer)).await.unwrap();
    assert_eq!(&buffer[..length.unwrap()], b"elsewhere");
    exchange(&old, b"again").await;
    shutdown.drain.cancel();
    timeout(PATIENCE, task).await.unwrap().unwrap().unwrap();

    let of = |client: &UdpSocket| log::closing(&client.local_addr().unwrap().to_string());
    let line = of(&old);
    assert_eq!(line["message"], "flow ended");
    assert_eq!(
        (&line["forward"], &line["ended"]),
        (&"lines".into(), &"idle".into())
    );
    assert!(line["to_target"].as_u64() >= Some(10) && line["to_peer"].as_u64() >= Some(10));
    assert!(line["to_target_datagrams"].as_u64() >= Some(2), "{line}");
    assert_eq!(
        (&line["dropped"], &line["ended_by"]),
        (&0.into(), &"tailport".into())
    );
    let line = of(&new);
    assert_eq!(line["target"], server.local_addr().unwrap().to_string());
    assert_eq!(
        (&line["to_target_datagrams"], &line["to_peer"]),
        (&1.into(), &0.into())
    );
}

#[tokio::test]
async fn a_client_is_forgotten_with_its_flow() {
    let (address, mut source) = listener().await;
    let sender = client(address).await;
    let mut seen = HashSet::new();
    for _ in 0..100 {
        sender.send(b"hello").await.unwrap();
        // A flow that was still known would swallow the next datagram.
        let incoming = timeout(PATIENCE, source.next()).await.unwrap().unwrap();
        seen.insert(incoming.peer());
        incoming.refuse();
    }
    assert_eq!(seen.len(), 1);
}
