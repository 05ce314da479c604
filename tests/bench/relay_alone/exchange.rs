//! Requests and their answers, one after the other on each connection.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::load::{self, Target, WARM_UP};

/// How long each exchange took, from the shortest.
pub(super) struct Found(Vec<Duration>);

impl Found {
    /// The time, in seconds, that this share of the exchanges did not exceed.
    pub(super) fn percentile(&self, share: f64) -> f64 {
        let rank = (self.0.len() as f64 * share).ceil() as usize;
        self.0[rank.saturating_sub(1)].as_secs_f64()
    }
}

/// Exchanges for the time of the warm-up and of the window; those count that begin in
/// the window.
pub(super) fn run(
    target: &Target,
    address: SocketAddr,
    connections: u32,
    seed: u64,
    window: Duration,
) -> Found {
    let pairs: Vec<_> = (0..connections)
        .map(|_| (load::connect(address), target.accept()))
        .collect();
    let start = Instant::now() + WARM_UP;
    let end = start + window;
    let mut times = thread::scope(|scope| {
        let mut clients = Vec::new();
        for ((client, mut server), part) in pairs.into_iter().zip(0..) {
            let random = load::random(seed, part);
            scope.spawn(move || while load::answer(&mut server).expect("serving") {});
            clients.push(scope.spawn(move || exchange(client, random, start, end)));
        }
        let times = clients.into_iter().map(|client| client.join());
        times
            .flat_map(|times| times.expect("a client"))
            .collect::<Vec<_>>()
    });
    assert!(!times.is_empty(), "no exchange in {window:?}");
    times.sort_unstable();
    Found(times)
}

fn exchange(mut stream: TcpStream, mut random: Rng, start: Instant, end: Instant) -> Vec<Duration> {
    let mut times = Vec::with_capacity(1 << 18);
    let mut room = load::room();
    loop {
        let sent = Instant::now();
        if sent >= end {
            return times;
        }
        let length = load::request(&mut stream, &mut random, &mut room).expect("asking");
        stream.read_exact(&mut room[..length]).expect("an answer");
        if sent >= start {
            times.push(sent.elapsed());
        }
    }
}
