//! The socket that notifications go to, and their words.

use std::fmt::{self, Write};
use std::io;
use std::os::unix::net::UnixDatagram as StdUnixDatagram;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::net::UnixDatagram;
use tokio::time::timeout;

/// How long a message may wait in front of a manager that is too busy to read.
const PATIENCE: Duration = Duration::from_secs(5);

/// Something that a service manager is told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Word<'a> {
    /// The start, or a reload, is over.
    Ready,
    /// A reload has begun; [`Word::Now`] must stand beside it.
    Reloading,
    /// The time, by which the manager knows which reload is meant.
    Now,
    /// The program ends.
    Stopping,
    /// The program does its work.
    Watchdog,
    /// What is under way may take so long from now on.
    Extend(Duration),
    /// What is shown to people: one line.
    Status(&'a str),
}

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Word::Ready => f.write_str("READY=1"),
            Word::Reloading => f.write_str("RELOADING=1"),
            Word::Now => {
                let now = clock_gettime(ClockId::Monotonic);
                let microseconds = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
                write!(f, "MONOTONIC_USEC={microseconds}")
            }
            Word::Stopping => f.write_str("STOPPING=1"),
            Word::Watchdog => f.write_str("WATCHDOG=1"),
            Word::Extend(time) => write!(f, "EXTEND_TIMEOUT_USEC={}", time.as_micros()),
            Word::Status(line) => write!(f, "STATUS={line}"),
        }
    }
}

/// The way to the manager.
#[derive(Debug)]
pub(super) struct Notifier(UnixDatagram);

impl Notifier {
    /// Takes a socket that is connected to the manager and does not block. Needs a tokio
    /// runtime.
    ///
    /// # Errors
    /// When the runtime cannot watch it.
    pub(super) fn new(socket: StdUnixDatagram) -> io::Result<Self> {
        UnixDatagram::from_std(socket).map(Self)
    }

    /// Says these words in one message; none are no message.
    ///
    /// # Errors
    /// What the kernel answers, or that the manager did not read in time.
    ///
    /// # Cancel safety
    /// Safe: the message is sent whole or not at all.
    pub(super) async fn say(&self, words: &[Word<'_>]) -> io::Result<()> {
        if words.is_empty() {
            return Ok(());
        }
        let mut message = String::new();
        for word in words {
            // Writing to a string cannot fail.
            let _ = writeln!(message, "{word}");
        }
        timeout(PATIENCE, self.0.send(message.as_bytes())).await??;
        Ok(())
    }
}
