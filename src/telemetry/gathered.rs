//! Lines that come close together are written together.
//!
//! A line that is written wakes who reads the log, which was a fortieth of the processor
//! time of a short connection. So a line that comes soon after another one waits a moment
//! for those after it. One that comes by itself is written at once, and so is a warning or
//! an error, with all before it.

use std::{
    io::{self, Write},
    os::fd::AsFd,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tracing::Level;

use super::unblocked::{PIECE, Unblocked};

/// How long a line waits at most. Lines that wait are lost when the process is killed.
const GATHERING: Duration = Duration::from_millis(10);

/// How long nothing has to come before nobody looks any more.
const QUIET: Duration = Duration::from_secs(1);

/// Takes lines from everywhere for one log.
#[derive(Debug)]
pub(super) struct Gathered<F>(Arc<Mutex<State<F>>>);

#[derive(Debug)]
struct State<F> {
    log: Unblocked<F>,
    /// Lines that wait.
    waiting: Vec<u8>,
    count: u64,
    /// When something was written last.
    written: Option<Instant>,
    /// Whether a thread looks after what waits.
    watched: bool,
}

/// Takes lines of one level.
#[derive(Debug)]
pub(super) struct Lines<F> {
    log: Gathered<F>,
    urgent: bool,
}

impl<F: Write + AsFd + Send + 'static> Gathered<F> {
    pub(super) fn new(to: F) -> Self {
        Self(Arc::new(Mutex::new(State {
            log: Unblocked::new(to),
            waiting: Vec::with_capacity(PIECE),
            count: 0,
            written: None,
            watched: false,
        })))
    }

    pub(super) fn at(&self, level: &Level) -> Lines<F> {
        Lines {
            log: self.clone(),
            urgent: *level <= Level::WARN,
        }
    }

    /// Writes what waits.
    pub(super) fn flush(&self) -> io::Result<()> {
        self.with(State::flush)
    }

    /// Does something with the log, and tells in it of lines that were lost.
    fn with(&self, work: impl FnOnce(&mut State<F>) -> io::Result<u64>) -> io::Result<()> {
        // Others wait while this one has the lock: the room that it sees stays its own.
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = work(&mut state)?;
        drop(state);
        if lost > 0 {
            tracing::warn!(lost, "log lines were lost: nobody read them in time");
        }
        Ok(())
    }

    fn take(&self, line: &[u8], urgent: bool) -> io::Result<()> {
        self.with(|state| {
            if urgent || !self.may_wait(state) {
                state.put(line)
            } else {
                state.add(line)
            }
        })
    }

    /// Whether a line may wait for others; somebody looks after it then.
    fn may_wait(&self, state: &mut State<F>) -> bool {
        let soon = |written: Instant| written.elapsed() < GATHERING;
        if !state.written.is_some_and(soon) {
            return false;
        }
        if !state.watched {
            let log = self.clone();
            let watch = move || log.watch();
            let thread = thread::Builder::new().name("log".to_owned());
            state.watched = thread.spawn(watch).is_ok();
        }
        state.watched
    }

    /// Writes what waits, until nothing has come for a while.
    fn watch(&self) {
        loop {
            thread::sleep(GATHERING);
            let mut over = false;
            // Nobody is there to hear of an error; the lines are lost.
            let _ = self.with(|state| {
                let quiet = |written: Instant| written.elapsed() > QUIET;
                over = state.waiting.is_empty() && state.written.is_none_or(quiet);
                state.watched = !over;
                state.flush()
            });
            if over {
                return;
            }
        }
    }
}

impl<F> Clone for Gathered<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F: Write + AsFd> State<F> {
    /// Has a line wait, for which what waits is written where it would be too much, and
    /// says how many were lost before.
    fn add(&mut self, line: &[u8]) -> io::Result<u64> {
        let lost = if self.waiting.len() + line.len() > PIECE {
            self.flush()
        } else {
            Ok(0)
        };
        self.waiting.extend_from_slice(line);
        self.count += 1;
        lost
    }

    /// Writes what waits and a line after it, and says how many were lost before.
    fn put(&mut self, line: &[u8]) -> io::Result<u64> {
        let before = self.add(line);
        let after = self.flush();
        Ok(before? + after?)
    }

    /// Writes what waits, and says how many were lost before.
    fn flush(&mut self) -> io::Result<u64> {
        if self.waiting.is_empty() {
            return Ok(0);
        }
        let outcome = self.log.put(&self.waiting, self.count);
        self.waiting.clear();
        self.count = 0;
        self.written = Some(Instant::now());
        outcome
    }
}

impl<F: Write + AsFd + Send + 'static> Write for Lines<F> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.log.take(line, self.urgent)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
