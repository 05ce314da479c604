//! Bytes in one direction, as many as go.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::contestant::Contestant;
use super::load::{self, Target, WARM_UP};
use crate::way::Way;

/// How many bytes a write has.
const WRITE: std::ops::RangeInclusive<usize> = 1024..=256 * 1024;

/// What arrived while it was measured.
pub(super) struct Found {
    bytes: u64,
    took: Duration,
    cpu: Option<f64>,
}

impl Found {
    /// Bytes per second.
    pub(super) fn per_second(&self) -> f64 {
        self.bytes as f64 / self.took.as_secs_f64()
    }

    /// The contestant's CPU seconds per GiB; none for nobody.
    pub(super) fn cpu_per_gib(&self) -> Option<f64> {
        let gib = self.bytes as f64 / (1u64 << 30) as f64;
        self.cpu.map(|cpu| cpu / gib)
    }
}

/// Sends for the time of the warm-up and of the window, and counts in the window what
/// arrives. All that was sent arrives at last, and so does its end.
pub(super) fn run(
    way: Way,
    target: &Target,
    contestant: &Contestant,
    streams: u32,
    seed: u64,
    window: Duration,
) -> Found {
    let pairs: Vec<_> = (0..streams)
        .map(|_| {
            let client = load::connect(contestant.address());
            let server = target.accept();
            match way {
                Way::ToTarget => (client, server),
                Way::ToClient => (server, client),
            }
        })
        .collect();
    let (stop, arrived) = (AtomicBool::new(false), AtomicU64::new(0));
    let (found, sent) = thread::scope(|scope| {
        let mut writers = Vec::new();
        for ((writer, reader), part) in pairs.into_iter().zip(0..) {
            let random = load::random(seed, part);
            writers.push(scope.spawn(|| send(writer, random, &stop)));
            scope.spawn(|| receive(reader, &arrived));
        }
        thread::sleep(WARM_UP);
        let (bytes, cpu, start) = (arrived.load(Relaxed), contestant.cpu(), Instant::now());
        thread::sleep(window);
        let found = Found {
            bytes: arrived.load(Relaxed) - bytes,
            took: start.elapsed(),
            cpu: cpu
                .zip(contestant.cpu())
                .map(|(before, after)| after - before),
        };
        stop.store(true, Relaxed);
        let sent: u64 = writers
            .into_iter()
            .map(|writer| writer.join().expect("a writer"))
            .sum();
        (found, sent)
    });
    assert_eq!(arrived.into_inner(), sent, "bytes that arrived, and sent");
    found
}

/// Sends until told to stop, then the end of stream, and waits for that of the other
/// end, which follows when everything has arrived.
fn send(mut stream: TcpStream, mut random: Rng, stop: &AtomicBool) -> u64 {
    let mut block = vec![0; *WRITE.end()];
    random.fill(&mut block);
    let mut sent = 0;
    while !stop.load(Relaxed) {
        let length = random.usize(WRITE);
        stream.write_all(&block[..length]).expect("sending");
        sent += length as u64;
    }
    stream.shutdown(Shutdown::Write).expect("ending a stream");
    let rest = stream.read(&mut block).expect("the end of stream");
    assert_eq!(rest, 0, "nothing comes back");
    sent
}

fn receive(mut stream: TcpStream, arrived: &AtomicU64) {
    let mut block = vec![0; *WRITE.end()];
    loop {
        match stream.read(&mut block).expect("receiving") {
            0 => return,
            read => arrived.fetch_add(read as u64, Relaxed),
        };
    }
}
