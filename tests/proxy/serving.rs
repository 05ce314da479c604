//! A forward that serves, with a target that echoes.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tailport::{
    proxy::{
        Forward, Settings,
        endpoint::{Accept, Dial},
        gate::{Gate, Open},
        kernel::{Keepalive, KernelListener},
        relay::Limits,
        resolve::Resolver,
        slots::Slots,
        target::KernelTarget,
    },
    shutdown::Shutdown,
    telemetry::metrics::Metrics,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::task::TaskTracker;

use crate::{
    log,
    support::{drain, is_reset},
};

pub(crate) const KEEPALIVE: Keepalive = Keepalive {
    idle: Duration::from_secs(60),
};

/// A forward that serves.
pub(crate) struct Serving {
    pub(crate) address: SocketAddr,
    pub(crate) slots: Slots,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tracker: TaskTracker,
    pub(crate) shutdown: Shutdown,
    pub(crate) task: JoinHandle<io::Result<()>>,
}

pub(crate) fn serve<A: Accept, D: Dial>(
    address: SocketAddr,
    accept: A,
    dial: D,
    cap: usize,
) -> Serving {
    serve_through(Open, address, accept, dial, cap)
}

pub(crate) fn serve_through<G: Gate, A: Accept, D: Dial>(
    gate: G,
    address: SocketAddr,
    accept: A,
    dial: D,
    cap: usize,
) -> Serving {
    serve_until_idle(Duration::ZERO, gate, address, accept, dial, cap)
}

pub(crate) fn serve_until_idle<G: Gate, A: Accept, D: Dial>(
    idle: Duration,
    gate: G,
    address: SocketAddr,
    accept: A,
    dial: D,
    cap: usize,
) -> Serving {
    log::keep();
    let slots = Slots::new(cap);
    let (metrics, tracker) = (Arc::new(Metrics::default()), TaskTracker::new());
    let shutdown = Shutdown::default();
    let forward = Forward {
        name: "test".into(),
        accept,
        gate,
        dial,
        settings: Settings {
            dial_timeout: Duration::from_secs(5),
            limits: Limits::new(idle),
        },
        slots: slots.clone(),
        metrics: Arc::clone(&metrics),
    };
    let task = {
        let (tracker, shutdown) = (tracker.clone(), shutdown.clone());
        tokio::spawn(async move { forward.serve(&tracker, &shutdown).await })
    };
    Serving {
        address,
        slots,
        metrics,
        tracker,
        shutdown,
        task,
    }
}

pub(crate) async fn listener() -> (SocketAddr, KernelListener) {
    let any = "127.0.0.1:0".parse().unwrap();
    let listener = KernelListener::bind(any, KEEPALIVE).await.unwrap();
    (listener.local_addr().unwrap(), listener)
}

pub(crate) fn kernel_target(address: SocketAddr) -> KernelTarget {
    let resolver = Arc::new(Resolver::default());
    KernelTarget::new(
        address.ip().to_string(),
        address.port(),
        resolver,
        KEEPALIVE,
    )
}

impl Serving {
    /// Ends accepting and waits for every connection.
    pub(crate) async fn finish(self) -> Arc<Metrics> {
        self.shutdown.drain.cancel();
        self.task.await.unwrap().unwrap();
        self.tracker.close();
        self.tracker.wait().await;
        self.metrics
    }
}

/// A server that sends back what it gets.
pub(crate) async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
                let _ = write.shutdown().await;
            });
        }
    });
    address
}

pub(crate) async fn echoes(address: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"ping").await.unwrap();
    let mut got = [0; 4];
    client.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"ping");
    client
}

pub(crate) async fn closed_at_once(address: SocketAddr) {
    let mut client = TcpStream::connect(address).await.unwrap();
    assert!(is_reset(drain(&mut client).await.1.as_ref()));
}
