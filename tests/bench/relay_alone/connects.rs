//! Connections of one request each, which the target closes.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::contestant::Contestant;
use super::load::{self, Target};

/// The most connections that are measured at once: each leaves two behind for a
/// minute, in TIME_WAIT.
const MOST: u32 = 3000;
/// How many come before those.
const WARM_UP: u32 = 200;
/// After so long a connection has failed.
const PATIENCE: Duration = Duration::from_secs(5);

/// What became of the connections.
pub(super) struct Found {
    pub(super) done: u32,
    pub(super) failed: u32,
    took: Duration,
    cpu: Option<f64>,
}

impl Found {
    /// How many were done per second.
    pub(super) fn per_second(&self) -> f64 {
        f64::from(self.done) / self.took.as_secs_f64()
    }

    /// The contestant's CPU seconds per thousand; none for nobody.
    pub(super) fn cpu_per_thousand(&self) -> Option<f64> {
        let thousands = f64::from(self.done) / 1000.0;
        self.cpu.map(|cpu| cpu / thousands)
    }
}

/// So many clients at once connect, ask and read to the end, again and again, until
/// the window is over or there have been enough.
pub(super) fn run(
    target: &Target,
    contestant: &Contestant,
    clients: u32,
    seed: u64,
    window: Duration,
) -> Found {
    target.begin();
    thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| target.serve());
        }
        let address = contestant.address();
        crowd(address, clients, WARM_UP, !seed, PATIENCE);
        let (cpu, start) = (contestant.cpu(), Instant::now());
        let (done, failed) = crowd(address, clients, MOST, seed, window);
        let found = Found {
            done,
            failed,
            took: start.elapsed(),
            cpu: cpu
                .zip(contestant.cpu())
                .map(|(before, after)| after - before),
        };
        target.end();
        found
    })
}

/// How many were done, and how many failed.
fn crowd(address: SocketAddr, clients: u32, most: u32, seed: u64, window: Duration) -> (u32, u32) {
    let end = Instant::now() + window;
    let begun = AtomicU32::new(0);
    let (done, failed) = (AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        for part in 0..clients {
            let mut random = load::random(seed, part);
            let (begun, done, failed) = (&begun, &done, &failed);
            scope.spawn(move || {
                while Instant::now() < end && begun.fetch_add(1, Relaxed) < most {
                    let outcome = connect(address, &mut random);
                    let count = if outcome.is_ok() { done } else { failed };
                    count.fetch_add(1, Relaxed);
                }
            });
        }
    });
    (done.into_inner(), failed.into_inner())
}

/// One connection; it fails when it ends before or after its answer does.
fn connect(address: SocketAddr, random: &mut Rng) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut room = load::room();
    let length = load::request(&mut stream, random, &mut room)?;
    room.clear();
    stream.read_to_end(&mut room)?;
    if room.len() != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}
