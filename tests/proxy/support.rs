//! Connections under a test's control.

use std::{
    io,
    os::fd::AsFd,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use sha2::{Digest, Sha256};
use tailport::{
    proxy::{
        Held,
        endpoint::{End, Stream},
        kernel::{Keepalive, KernelStream},
        origin::Origin,
        peer::Peer,
        relay::{Limits, relay},
        summary::Summary,
    },
    telemetry::metrics::Traffic,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::{TcpListener, TcpStream, UnixStream},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

pub(crate) const MIB: usize = 1024 * 1024;
pub(crate) const BLOCK: usize = 8 * 1024;

/// Bytes that repeat at no power of two.
pub(crate) fn pattern(length: usize, seed: u8) -> Vec<u8> {
    (0..length)
        .map(|at| ((at % 251) as u8).wrapping_mul(31).wrapping_add(seed) ^ ((at / 251) as u8))
        .collect()
}

pub(crate) fn hash(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Longer than anything here waits for: a hang is a failure with a name.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Reads to the end: the bytes, and the error that ended them, if any.
pub(crate) async fn drain(stream: &mut (impl AsyncRead + Unpin)) -> (Vec<u8>, Option<io::Error>) {
    timeout(PATIENCE, read_to_end(stream)).await.unwrap()
}

async fn read_to_end(stream: &mut (impl AsyncRead + Unpin)) -> (Vec<u8>, Option<io::Error>) {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) => return (bytes, None),
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
            Err(error) => return (bytes, Some(error)),
        }
    }
}

pub(crate) fn is_reset(error: Option<&io::Error>) -> bool {
    error.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionReset)
}

/// Where a connection comes from that is nobody's.
pub(crate) fn nobody() -> Origin {
    Origin::from(Peer::Unix { uid: None })
}

/// The two ends of a TCP connection: the relay's, and the test's.
pub(crate) async fn tcp() -> (KernelStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (outer, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    let stream = KernelStream::tcp(accepted.unwrap().0, Keepalive::default()).unwrap();
    (stream, outer.unwrap())
}

/// The two ends of a unix connection, and whether the relay reset its own.
pub(crate) fn unix() -> (UnixSide, UnixStream, Arc<AtomicBool>) {
    let (inner, outer) = UnixStream::pair().unwrap();
    let reset = Arc::new(AtomicBool::new(false));
    let side = UnixSide {
        socket: inner,
        reset: Arc::clone(&reset),
        end: End::Clean,
    };
    (side, outer, reset)
}

/// A unix stream that can claim, as a tailnet one does, that its EOF is a break.
pub(crate) struct UnixSide {
    socket: UnixStream,
    reset: Arc<AtomicBool>,
    pub(crate) end: End,
}

impl Stream for UnixSide {
    fn incoming_end(&mut self) -> End {
        self.end
    }

    fn broken(&mut self) -> Option<End> {
        None
    }

    fn unacknowledged(&self) -> io::Result<u64> {
        tailport::tailnet::unacknowledged(self.socket.as_fd())
    }

    fn reset(self) {
        self.reset.store(true, SeqCst);
    }
}

impl AsyncRead for UnixSide {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buffer)
    }
}

impl AsyncWrite for UnixSide {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

/// Which argument of the relay the first side of a test is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    AsPeer,
    AsTarget,
}

pub(crate) const ORDERS: [Order; 2] = [Order::AsPeer, Order::AsTarget];

/// A relay under way between two sides given in either order.
pub(crate) struct Running {
    pub(crate) task: JoinHandle<Summary>,
    pub(crate) abort: CancellationToken,
    pub(crate) totals: Arc<Traffic>,
}

pub(crate) fn start<A: Stream, B: Stream>(order: Order, limits: Limits, a: A, b: B) -> Running {
    let abort = CancellationToken::new();
    let totals = Arc::new(Traffic::default());
    let (a, b) = (Held::new(a), Held::new(b));
    let task = {
        let (abort, totals) = (abort.clone(), Arc::clone(&totals));
        match order {
            Order::AsPeer => {
                tokio::spawn(async move { relay(a, b, limits, &totals, &abort).await })
            }
            Order::AsTarget => {
                tokio::spawn(async move { relay(b, a, limits, &totals, &abort).await })
            }
        }
    };
    Running {
        task,
        abort,
        totals,
    }
}

/// Sends blocks of 8 KiB and lets the relay deliver each before the next, so that
/// the kernel, which counts its own buffers on a unix socket, counts each apart.
pub(crate) async fn deliver_blocks(
    running: &Running,
    from: &mut (impl AsyncWrite + Unpin),
    blocks: u64,
) {
    let moved = || running.totals.to_target.load(SeqCst) + running.totals.to_peer.load(SeqCst);
    for _ in 0..blocks {
        let before = moved();
        from.write_all(&[7; BLOCK]).await.unwrap();
        while moved() < before + BLOCK as u64 {
            tokio::task::yield_now().await;
        }
    }
}

/// No idle time, and the ordinary time for a last delivery.
pub(crate) fn unlimited() -> Limits {
    Limits::new(Duration::ZERO)
}

/// Waits until the other end's kernel has acknowledged all.
pub(crate) async fn acknowledged(stream: &TcpStream) {
    while tailport::tailnet::unacknowledged(stream.as_fd()).unwrap() > 0 {
        tokio::task::yield_now().await;
    }
}

/// Closes with a reset.
pub(crate) fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
}
