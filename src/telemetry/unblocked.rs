//! A writer for whole lines that does not wait for who reads them: a log whose reader
//! stands still must not hold up the connections whose lines it takes.

use std::{
    io::{self, Write},
    mem,
    os::fd::AsFd,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

/// How long a reader may take to make room, once; from then on nothing is waited for
/// until there is room again.
const PATIENCE: Duration = Duration::from_millis(100);

/// Whether somebody waits for a reader just now.
static HELD_UP: AtomicBool = AtomicBool::new(false);

/// Whether who logs now may have to wait, for a tenth of a second at most.
pub fn is_held_up() -> bool {
    HELD_UP.load(Ordering::Relaxed)
}

/// What is written at once, in bytes: a pipe that is ready has room for so much
/// (`PIPE_BUF` of Linux), and what else a log may go to for more.
pub(super) const PIECE: usize = 4096;

/// Writes whole lines to a pipe, terminal, socket or file, and drops those that find no
/// room. How many that were is known once there is room again.
#[derive(Debug)]
pub(super) struct Unblocked<F> {
    to: F,
    /// Lines dropped since the last that were written.
    lost: u64,
}

impl<F: Write + AsFd> Unblocked<F> {
    pub(super) fn new(to: F) -> Self {
        Self { to, lost: 0 }
    }

    /// Writes so many lines, or as much of them as there is room for, and says how many
    /// were lost before them.
    ///
    /// # Errors
    /// When writing fails, or [`io::ErrorKind::TimedOut`] without room.
    pub(super) fn put(&mut self, lines: &[u8], count: u64) -> io::Result<u64> {
        for piece in lines.chunks(PIECE) {
            if !self.has_room()? {
                self.lost += count;
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.to.write_all(piece)?;
        }
        Ok(mem::take(&mut self.lost))
    }

    /// How many lines were dropped since the last that were written.
    #[cfg(test)]
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    fn has_room(&self) -> io::Result<bool> {
        if has_room(&self.to, Duration::ZERO)? {
            return Ok(true);
        }
        if self.lost > 0 {
            return Ok(false);
        }
        HELD_UP.store(true, Ordering::Relaxed);
        let has_room = has_room(&self.to, PATIENCE);
        HELD_UP.store(false, Ordering::Relaxed);
        has_room
    }
}

/// Whether something can be written; also true when writing meets an error.
fn has_room(to: &impl AsFd, patience: Duration) -> io::Result<bool> {
    let patience = Timespec::try_from(patience).ok();
    let mut polled = [PollFd::new(to, PollFlags::OUT)];
    loop {
        match poll(&mut polled, patience.as_ref()) {
            Err(Errno::INTR) => {}
            answer => return Ok(answer? > 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;
    use std::thread;

    use super::*;

    const LINE: &[u8] = b"a line\n";

    /// A pipe that is nearly full, and its end to read from.
    fn full() -> (Unblocked<File>, File) {
        let (read, write) = rustix::pipe::pipe().unwrap();
        let mut log = Unblocked::new(File::from(write));
        while log.put(&[b'.'; PIECE], 1).is_ok() {}
        (log, File::from(read))
    }

    #[test]
    fn lines_without_room_are_lost_and_nothing_waits_for_them() {
        let (mut log, _reader) = full();
        for _ in 0..1000 {
            let error = log.put(LINE, 2).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        }
        assert_eq!(log.lost, 2001);
    }

    #[test]
    fn others_can_see_that_one_waits() {
        let (mut log, _reader) = full();
        let seen = (0..100).any(|_| {
            log.lost = 0;
            thread::scope(|scope| {
                let waiting = scope.spawn(|| log.put(LINE, 1).is_err());
                let mut seen = false;
                while !seen && !waiting.is_finished() {
                    seen = is_held_up();
                }
                assert!(waiting.join().unwrap());
                seen
            })
        });
        assert!(seen);
    }

    #[test]
    fn what_was_lost_is_counted_until_there_is_room() {
        let (mut log, mut reader) = full();
        reader.read_exact(&mut [0; 3 * PIECE]).unwrap();
        assert_eq!(log.put(LINE, 1).unwrap(), 1);
        assert_eq!(log.put(LINE, 1).unwrap(), 0);
    }

    #[test]
    fn a_long_line_goes_as_far_as_there_is_room() {
        let (mut log, mut reader) = full();
        reader.read_exact(&mut [0; 2 * PIECE]).unwrap();
        assert!(log.put(&[b'x'; 4 * PIECE], 1).is_err());
        drop(log);
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).unwrap();
        assert_eq!(rest.iter().filter(|byte| **byte == b'x').count(), 2 * PIECE);
    }

    #[test]
    fn a_reader_that_has_gone_is_an_error_at_once() {
        let (mut log, reader) = full();
        drop(reader);
        let error = log.put(LINE, 1).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
