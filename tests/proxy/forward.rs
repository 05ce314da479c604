//! A whole forward over real sockets: slots, refusals, faults, the drain.

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use tailport::{
    proxy::{
        endpoint::{Accept, Dial, DialError, DialErrorKind, Incoming},
        kernel::{KernelIncoming, KernelListener, KernelStream},
        origin::Origin,
        peer::Peer,
        target::KernelTarget,
    },
    telemetry::metrics::Ended,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::Instant,
};

use crate::{
    log,
    serving::{Serving, closed_at_once, echo, echoes, kernel_target, listener, serve},
    support::{drain, is_reset},
};

#[tokio::test]
async fn a_client_without_a_slot_is_closed_at_once_and_counted_until_one_is_free() {
    let (address, accept) = listener().await;
    let serving = serve(address, accept, kernel_target(echo().await), 2);
    let one = echoes(address).await;
    let two = echoes(address).await;
    for _ in 0..5 {
        closed_at_once(address).await;
    }
    assert_eq!(serving.metrics.snapshot().refused, 5);
    assert_eq!(serving.slots.refused(), 5);
    drop(one);
    while serving.slots.free() == 0 {
        tokio::task::yield_now().await;
    }
    let three = echoes(address).await;
    drop((two, three));
    let slots = serving.slots.clone();
    let counts = serving.finish().await.snapshot();
    assert_eq!((counts.accepted, counts.refused, counts.active), (3, 5, 0));
    assert_eq!(counts.ended(Ended::Clean), 3);
    assert_eq!((counts.to_target, counts.to_peer), (12, 12));
    assert_eq!(slots.free(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_500_clients_at_once_50_are_served_and_the_rest_closed() {
    let (address, accept) = listener().await;
    let serving = serve(address, accept, kernel_target(echo().await), 50);
    let clients: Vec<_> = (0..500)
        .map(|_| {
            tokio::spawn(async move {
                let mut client = TcpStream::connect(address).await.ok()?;
                client.write_all(b"x").await.ok()?;
                client.read_exact(&mut [0]).await.ok()?;
                Some(client)
            })
        })
        .collect();
    let mut served = Vec::new();
    for client in clients {
        served.extend(client.await.unwrap());
    }
    assert_eq!(served.len(), 50);
    drop(served);
    let slots = serving.slots.clone();
    let counts = serving.finish().await.snapshot();
    assert_eq!((counts.accepted, counts.refused), (50, 450));
    assert_eq!(slots.free(), 50);
}

#[tokio::test]
async fn a_target_that_is_not_there_closes_the_client_with_a_reset() {
    let (address, accept) = listener().await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = nobody.local_addr().unwrap();
    drop(nobody);
    let serving = serve(address, accept, kernel_target(target), 1);
    closed_at_once(address).await;
    let counts = serving.finish().await.snapshot();
    assert_eq!((counts.accepted, counts.ended(Ended::DialFailed)), (1, 1));
}

#[tokio::test]
async fn a_connection_leaves_one_line_with_its_bytes_and_its_end() {
    let (address, accept) = listener().await;
    let target = echo().await;
    let serving = serve(address, accept, kernel_target(target), 1);
    let client = echoes(address).await;
    let peer = client.local_addr().unwrap();
    drop(client);
    serving.finish().await;

    let line = log::closing(&peer.to_string());
    assert_eq!(line["forward"], "test");
    assert_eq!(line["peer"], peer.to_string());
    assert_eq!(line["target"], target.to_string());
    assert_eq!(
        (&line["to_target"], &line["to_peer"]),
        (&4.into(), &4.into())
    );
    assert_eq!(line["ended"], "clean");
    assert_eq!(line["ended_by"], "peer");
    assert!(line["duration_ms"].is_u64());
}

/// Panics at its first dial; goes to the target afterwards.
struct PanicsOnce {
    panicked: AtomicBool,
    target: KernelTarget,
}

impl fmt::Display for PanicsOnce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.target.fmt(f)
    }
}

impl Dial for PanicsOnce {
    type Stream = KernelStream;

    async fn dial(&self, origin: &Origin, budget: Duration) -> Result<KernelStream, DialError> {
        assert!(self.panicked.swap(true, SeqCst), "on purpose");
        self.target.dial(origin, budget).await
    }
}

#[tokio::test]
async fn a_panic_ends_its_own_connection_with_a_reset_and_gives_its_slot_back() {
    let (address, accept) = listener().await;
    let dial = PanicsOnce {
        panicked: AtomicBool::new(false),
        target: kernel_target(echo().await),
    };
    let serving = serve(address, accept, dial, 1);
    closed_at_once(address).await;
    while serving.slots.free() == 0 {
        tokio::task::yield_now().await;
    }
    echoes(address).await;
    let slots = serving.slots.clone();
    let counts = serving.finish().await.snapshot();
    assert_eq!((counts.accepted, counts.active), (2, 0));
    assert_eq!(counts.ended(Ended::Panicked), 1);
    assert_eq!(counts.ended(Ended::Clean), 1);
    assert_eq!(slots.free(), 1);
}

/// A target that never answers.
struct BlackHole;

impl fmt::Display for BlackHole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("black hole")
    }
}

impl Dial for BlackHole {
    type Stream = KernelStream;

    async fn dial(&self, _: &Origin, _: Duration) -> Result<KernelStream, DialError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_black_holed_target_gives_its_slot_back_at_the_dial_timeout() {
    let (address, accept) = listener().await;
    let serving = serve(address, accept, BlackHole, 1);
    let begun = Instant::now();
    closed_at_once(address).await;
    assert!(
        begun.elapsed() < Duration::from_millis(5500),
        "{:?}",
        begun.elapsed()
    );
    let slots = serving.slots.clone();
    assert_eq!(
        serving.finish().await.snapshot().ended(Ended::DialFailed),
        1
    );
    assert_eq!(slots.free(), 1);
}

#[tokio::test]
async fn an_abort_ends_a_connection_that_still_dials() {
    let (address, accept) = listener().await;
    let serving = serve(address, accept, BlackHole, 1);
    let mut client = TcpStream::connect(address).await.unwrap();
    while serving.metrics.snapshot().active == 0 {
        tokio::task::yield_now().await;
    }
    serving.shutdown.abort.cancel();
    assert!(is_reset(drain(&mut client).await.1.as_ref()));
    assert_eq!(serving.finish().await.snapshot().ended(Ended::Aborted), 1);
}

#[tokio::test]
async fn a_drain_closes_the_listener_and_lets_connections_finish() {
    let (address, accept) = listener().await;
    let serving = serve(address, accept, kernel_target(echo().await), 10);
    let mut client = echoes(address).await;
    serving.shutdown.drain.cancel();
    serving.task.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
    client.write_all(b"after").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(drain(&mut client).await.0, b"after");
    serving.tracker.close();
    serving.tracker.wait().await;
    assert_eq!(serving.metrics.snapshot().ended(Ended::Clean), 1);
}

/// What a [`Troubled`] listener does next.
enum Step {
    Fail(io::Error),
    FailToClaim,
    Accept,
}

/// A listener that has trouble first, and notes when it was asked.
struct Troubled {
    steps: Vec<Step>,
    asked: Arc<Mutex<Vec<Instant>>>,
    listener: KernelListener,
}

struct Troublesome {
    incoming: KernelIncoming,
    claimable: bool,
}

impl Accept for Troubled {
    type Incoming = Troublesome;

    async fn accept(&mut self) -> io::Result<Troublesome> {
        self.asked.lock().unwrap().push(Instant::now());
        let claimable = match self.steps.pop() {
            Some(Step::Fail(error)) => return Err(error),
            Some(Step::FailToClaim) => false,
            Some(Step::Accept) | None => true,
        };
        let incoming = self.listener.accept().await?;
        Ok(Troublesome {
            incoming,
            claimable,
        })
    }
}

impl Incoming for Troublesome {
    type Stream = KernelStream;

    fn peer(&self) -> Peer {
        self.incoming.peer()
    }

    fn local(&self) -> Option<SocketAddr> {
        self.incoming.local()
    }

    fn claim(self) -> io::Result<KernelStream> {
        if self.claimable {
            return self.incoming.claim();
        }
        self.incoming.refuse();
        Err(out_of_files())
    }

    fn refuse(self) {
        self.incoming.refuse();
    }
}

fn out_of_files() -> io::Error {
    rustix::io::Errno::MFILE.into()
}

async fn troubled(mut steps: Vec<Step>) -> (Serving, Arc<Mutex<Vec<Instant>>>) {
    let (address, listener) = listener().await;
    let asked = Arc::default();
    steps.reverse();
    let accept = Troubled {
        steps,
        asked: Arc::clone(&asked),
        listener,
    };
    let serving = serve(address, accept, kernel_target(echo().await), 1);
    (serving, asked)
}

#[tokio::test(start_paused = true)]
async fn failed_accepts_pause_ever_longer_and_a_success_starts_over() {
    let mut steps: Vec<_> = (0..10).map(|_| Step::Fail(out_of_files())).collect();
    steps.extend([Step::Accept, Step::Fail(out_of_files()), Step::Accept]);
    let (serving, asked) = troubled(steps).await;
    drop(echoes(serving.address).await);
    while serving.slots.free() == 0 {
        tokio::task::yield_now().await;
    }
    drop(echoes(serving.address).await);
    let counts = serving.finish().await.snapshot();
    assert_eq!((counts.accepted, counts.accept_errors), (2, 11));

    let asked = asked.lock().unwrap();
    let pauses: Vec<_> = asked.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(
        pauses[..7].windows(2).all(|two| two[0] < two[1]),
        "{pauses:?}"
    );
    assert!(
        pauses[..10]
            .iter()
            .all(|pause| *pause <= Duration::from_millis(1010))
    );
    assert!(pauses[11] < Duration::from_millis(50), "{pauses:?}");
}

#[tokio::test]
async fn a_connection_that_cannot_be_claimed_is_refused_and_holds_no_slot() {
    let (serving, _) = troubled(vec![Step::FailToClaim]).await;
    closed_at_once(serving.address).await;
    drop(echoes(serving.address).await);
    let counts = serving.finish().await.snapshot();
    assert_eq!((counts.accepted, counts.refused), (1, 1));
}

#[tokio::test]
async fn a_drain_ends_the_pause_after_a_failed_accept() {
    let steps = (0..1000).map(|_| Step::Fail(out_of_files())).collect();
    let (serving, asked) = troubled(steps).await;
    while asked.lock().unwrap().len() < 3 {
        tokio::task::yield_now().await;
    }
    serving.finish().await;
}

#[tokio::test]
async fn a_listener_that_is_gone_for_good_ends_the_forward_with_its_error() {
    let (serving, _) = troubled(vec![Step::Fail(io::ErrorKind::NotConnected.into())]).await;
    let error = serving.task.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotConnected);
}

#[test]
fn every_kind_of_dial_failure_says_whether_a_retry_helps() {
    let helps = [
        DialErrorKind::Refused,
        DialErrorKind::Reset,
        DialErrorKind::Unreachable,
        DialErrorKind::TimedOut,
        DialErrorKind::NotRunning,
    ];
    let final_ones = [
        DialErrorKind::Canceled,
        DialErrorKind::BadAddress,
        DialErrorKind::UnknownName,
        DialErrorKind::NotInTailnet,
        DialErrorKind::Closed,
        DialErrorKind::Internal,
    ];
    assert!(helps.into_iter().all(DialErrorKind::retry));
    assert!(!final_ones.into_iter().any(DialErrorKind::retry));
}
