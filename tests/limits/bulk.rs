//! Bulk streams: as many bytes as go through, in a direction or in both.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::content::MIB;
use crate::support::patience::{PATIENCE, eventually};
use crate::support::peer::Peer;
use crate::support::server::Server;
use crate::support::socket;

/// Streams at one time.
pub(crate) const STREAMS: usize = 8;

const BLOCK: usize = 64 * 1024;

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the peer to the target.
    ToTarget,
    /// From the target to the peer.
    ToPeer,
    /// At the same time.
    Both,
}

impl Way {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::ToTarget, Self::ToPeer, Self::Both];

    fn to_target(self) -> bool {
        self != Self::ToPeer
    }

    fn to_peer(self) -> bool {
        self != Self::ToTarget
    }
}

/// A target that sends and takes whatever it is asked to, and counts what it gets.
pub(crate) struct Target {
    server: Server,
    taken: Arc<AtomicU64>,
}

impl Target {
    /// Starts one on loopback.
    pub(crate) fn start() -> Self {
        let taken = Arc::<AtomicU64>::default();
        let counter = Arc::clone(&taken);
        let server = Server::serving(move |mut stream| {
            let mut wanted = [0];
            stream.read_exact(&mut wanted)?;
            let mut outgoing = stream.try_clone()?;
            let over = AtomicBool::new(false);
            thread::scope(|scope| {
                if wanted[0] == 1 {
                    scope.spawn(|| send(&mut outgoing, &over));
                }
                count(&mut stream, &counter);
                over.store(true, Relaxed);
            });
            stream.shutdown(Shutdown::Write)
        });
        Self { server, taken }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Has streams from a peer run for a time, and ends each in the ordinary way.
    /// Returns the bytes that arrived in a second.
    #[track_caller]
    pub(crate) fn run(&self, peer: &Peer, to: SocketAddr, way: Way, length: Duration) -> f64 {
        let streams: Vec<_> = (0..STREAMS)
            .map(|_| {
                let mut stream = peer.dial(to);
                let wanted = [u8::from(way.to_peer())];
                stream.write_all(&wanted).expect("asking the target");
                stream
            })
            .collect();
        let (got, over) = (AtomicU64::new(0), AtomicBool::new(false));
        let before = self.taken.load(Relaxed);
        let rate = thread::scope(|scope| {
            for stream in &streams {
                scope.spawn(|| {
                    if way.to_target() {
                        send(&mut &*stream, &over);
                    } else {
                        wait_for(&over);
                    }
                    stream.shutdown(Shutdown::Write)
                });
                scope.spawn(|| count(&mut &*stream, &got));
            }
            let start = Instant::now();
            thread::sleep(length);
            let arrived = self.taken.load(Relaxed) - before + got.load(Relaxed);
            let rate = arrived as f64 / start.elapsed().as_secs_f64();
            over.store(true, Relaxed);
            rate
        });
        eventually("the streams have ended", PATIENCE, || {
            self.server.open() == 0
        });
        rate
    }
}

/// A rate for people.
pub(crate) fn per_second(rate: f64) -> String {
    format!("{:.0} MiB/s", rate / MIB as f64)
}

/// Waits for the end of a run.
fn wait_for(over: &AtomicBool) {
    while !over.load(Relaxed) {
        thread::sleep(Duration::from_millis(10));
    }
}

/// Writes until that fails or is over.
fn send(to: &mut impl Write, over: &AtomicBool) {
    let block = [0x5a; BLOCK];
    while !over.load(Relaxed) && to.write_all(&block).is_ok() {}
}

/// Reads to whatever end, counting.
fn count(from: &mut impl Read, counter: &AtomicU64) {
    let mut block = [0; BLOCK];
    loop {
        match from.read(&mut block) {
            Ok(0) => return,
            Ok(read) => {
                counter.fetch_add(read as u64, Relaxed);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// A stream of its own that moves `length` bytes to the target; how long it took
/// until the target had them.
#[track_caller]
pub(crate) fn one(target: &Target, stream: &mut TcpStream, length: u64) -> Duration {
    let before = target.taken.load(Relaxed);
    let start = Instant::now();
    stream.write_all(&[0]).expect("asking the target");
    io::copy(&mut io::repeat(0x5a).take(length), stream).expect("sending");
    stream.shutdown(Shutdown::Write).expect("half-closing");
    socket::end_of(stream).expect("the target ends too");
    assert!(target.taken.load(Relaxed) >= before + length);
    start.elapsed()
}
