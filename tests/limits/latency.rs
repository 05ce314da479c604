//! How long an echo takes on connections that exist.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

/// The pause between two echoes of a connection.
const PAUSE: Duration = Duration::from_millis(10);

/// Times of echoes, the shortest first.
pub(crate) struct Latency(Vec<Duration>);

impl Latency {
    /// Has every connection echo a byte again and again until `over`.
    ///
    /// # Panics
    /// When a connection breaks.
    pub(crate) fn measure(connections: &[TcpStream], over: &AtomicBool) -> Self {
        let mut all: Vec<_> = thread::scope(|scope| {
            let running: Vec<_> = connections
                .iter()
                .map(|stream| scope.spawn(|| echoes(stream, over)))
                .collect();
            running
                .into_iter()
                .flat_map(|one| one.join().expect("a thread that measures"))
                .collect()
        });
        assert!(!all.is_empty(), "nothing was measured");
        all.sort_unstable();
        Self(all)
    }

    /// The same for a time.
    pub(crate) fn during(connections: &[TcpStream], length: Duration) -> Self {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(length);
                over.store(true, Relaxed);
            });
            Self::measure(connections, &over)
        })
    }

    /// The time that this share of all echoes did not exceed.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let place = (self.0.len() as f64 * share) as usize;
        self.0[place.min(self.0.len() - 1)]
    }

    /// For people.
    pub(crate) fn summary(&self) -> String {
        format!(
            "{} echoes, half within {:.1?}, 99 of 100 within {:.1?}, all within {:.1?}",
            self.0.len(),
            self.quantile(0.5),
            self.quantile(0.99),
            self.quantile(1.0)
        )
    }
}

fn echoes(mut stream: &TcpStream, over: &AtomicBool) -> Vec<Duration> {
    let mut times = Vec::new();
    while !over.load(Relaxed) {
        let start = Instant::now();
        let echoed: io::Result<()> = stream
            .write_all(&[1])
            .and_then(|()| stream.read_exact(&mut [0]));
        echoed.expect("an established connection echoes");
        times.push(start.elapsed());
        thread::sleep(PAUSE);
    }
    times
}
