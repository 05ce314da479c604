//! Lines that come close together are written together.
//!
//! A line that is written wakes who reads the log, which costs as much as its connection
//! costs in this half otherwise. So a line that comes soon after another one waits a
//! moment for those after it. One that comes by itself is written at once, and so is a
//! warning or an error, with all before it.

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
                return state.put(line);
            }
            let lost = if state.waiting.len() + line.len() > PIECE {
                state.flush()
            } else {
                Ok(0)
            };
            state.waiting.extend_from_slice(line);
            state.count += 1;
            lost
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
    /// Writes what waits and a line after it, and says how many were lost before.
    fn put(&mut self, line: &[u8]) -> io::Result<u64> {
        if self.waiting.len() + line.len() > PIECE {
            let lost = self.flush()?;
            self.waiting.extend_from_slice(line);
            self.count = 1;
            return Ok(lost + self.flush()?);
        }
        self.waiting.extend_from_slice(line);
        self.count += 1;
        self.flush()
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
mod tests {
    use std::{
        fs::File,
        io::Read,
        os::fd::BorrowedFd,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    /// A pipe that counts how often it is written to.
    struct Counting {
        pipe: File,
        writes: Arc<AtomicUsize>,
    }

    impl Write for Counting {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.writes.fetch_add(1, Ordering::Relaxed);
            self.pipe.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl AsFd for Counting {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.pipe.as_fd()
        }
    }

    struct Stage {
        log: Gathered<Counting>,
        writes: Arc<AtomicUsize>,
        reader: File,
    }

    impl Stage {
        fn new() -> Self {
            let (reader, pipe) = rustix::pipe::pipe().unwrap();
            let writes = Arc::new(AtomicUsize::new(0));
            let log = Gathered::new(Counting {
                pipe: pipe.into(),
                writes: Arc::clone(&writes),
            });
            let reader = reader.into();
            Self {
                log,
                writes,
                reader,
            }
        }

        fn say(&self, level: Level, line: &str) {
            self.log.at(&level).write_all(line.as_bytes()).unwrap();
        }

        fn writes(&self) -> usize {
            self.writes.load(Ordering::Relaxed)
        }

        /// Reads what must be there next, waiting for it.
        fn read(&mut self, expected: &str) {
            let mut text = vec![0; expected.len()];
            self.reader.read_exact(&mut text).unwrap();
            assert_eq!(String::from_utf8(text).unwrap(), expected);
        }
    }

    #[test]
    fn a_line_by_itself_is_written_at_once() {
        let mut stage = Stage::new();
        stage.say(Level::INFO, "alone\n");
        assert_eq!(stage.writes(), 1);
        stage.read("alone\n");
    }

    #[test]
    fn lines_that_come_close_together_are_written_together_and_in_order() {
        let mut stage = Stage::new();
        let lines: Vec<String> = (0..1000).map(|number| format!("line {number}\n")).collect();
        for line in &lines {
            stage.say(Level::INFO, line);
        }
        stage.read(&lines.concat());
        assert!(stage.writes() < lines.len() / 2, "{}", stage.writes());
    }

    #[test]
    fn a_warning_is_written_at_once_with_all_before_it() {
        let mut stage = Stage::new();
        for line in ["one\n", "two\n", "three\n"] {
            stage.say(Level::INFO, line);
        }
        stage.say(Level::WARN, "four\n");
        let writes = stage.writes();
        stage.read("one\ntwo\nthree\nfour\n");
        assert_eq!(stage.writes(), writes, "nothing was left for later");
    }

    #[test]
    fn lines_of_any_length_come_whole() {
        let mut stage = Stage::new();
        let lengths = [10, PIECE - 10, PIECE, 20, 2 * PIECE, 3, PIECE + 1, 1];
        let lines = lengths.map(|length| "x".repeat(length - 1) + "\n");
        for (number, line) in lines.iter().enumerate() {
            let level = [Level::INFO, Level::ERROR][number % 3 / 2];
            stage.say(level, line);
        }
        stage.log.flush().unwrap();
        stage.read(&lines.concat());
    }

    #[test]
    fn each_line_that_waited_in_vain_counts_as_lost() {
        let stage = Stage::new();
        stage.say(Level::INFO, "first\n");
        let page = "x".repeat(PIECE);
        let level = Level::ERROR;
        while stage.log.at(&level).write_all(page.as_bytes()).is_ok() {}
        let before = stage.log.0.lock().unwrap().log.lost();
        for _ in 0..5 {
            let _ = stage.log.at(&Level::INFO).write_all(b"a line\n");
        }
        let _ = stage.log.flush();
        assert_eq!(stage.log.0.lock().unwrap().log.lost() - before, 5);
    }

    #[test]
    fn nobody_looks_after_a_log_that_is_quiet() {
        let mut stage = Stage::new();
        stage.say(Level::INFO, "one\n");
        stage.say(Level::INFO, "two\n");
        stage.read("one\ntwo\n");
        let begun = Instant::now();
        while stage.log.0.lock().unwrap().watched {
            assert!(begun.elapsed() < 20 * QUIET);
            thread::sleep(GATHERING);
        }
    }
}
