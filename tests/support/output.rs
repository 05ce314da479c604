//! The lines that a child has printed so far, read on a thread of their own so
//! that a full pipe never holds the child up.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// One output of a child. Clones show the same lines.
#[derive(Clone, Default)]
pub(crate) struct Output(Arc<(Mutex<Lines>, Condvar)>);

#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    closed: bool,
}

impl Output {
    /// Reads a pipe to its end.
    pub(crate) fn of(pipe: impl Read + Send + 'static) -> Self {
        let output = Self::default();
        let writer = output.clone();
        thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                writer.lock().lines.push(text);
                writer.0.1.notify_all();
                line.clear();
            }
            writer.lock().closed = true;
            writer.0.1.notify_all();
        });
        output
    }

    /// Every line so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lock().lines.clone()
    }

    /// How many lines there are so far; see [`Output::wait_from`].
    pub(crate) fn mark(&self) -> usize {
        self.lock().lines.len()
    }

    /// The first line of which `wanted` is true, printed already or within
    /// `deadline`. `None` when the output closes or the time is over before.
    pub(crate) fn wait(
        &self,
        deadline: Duration,
        wanted: impl FnMut(&str) -> bool,
    ) -> Option<String> {
        self.wait_from(0, deadline, wanted)
    }

    /// The same among the lines after a [`Output::mark`].
    pub(crate) fn wait_from(
        &self,
        mark: usize,
        deadline: Duration,
        mut wanted: impl FnMut(&str) -> bool,
    ) -> Option<String> {
        let end = Instant::now() + deadline;
        let mut seen = mark;
        let mut guard = self.lock();
        loop {
            if let Some(found) = guard.lines[seen..].iter().find(|line| wanted(line)) {
                return Some(found.clone());
            }
            seen = guard.lines.len();
            let left = end.saturating_duration_since(Instant::now());
            if guard.closed || left.is_zero() {
                return None;
            }
            guard = self
                .0
                .1
                .wait_timeout(guard, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Waits until the child, and whoever inherited the pipe, has closed it.
    pub(crate) fn wait_closed(&self, deadline: Duration) {
        self.wait(deadline, |_| false);
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
