//! When lines are written: by themselves, together, or at once.

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
