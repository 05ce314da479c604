//! Any child process: its output, the signals it is sent, how it ends. It is
//! killed when dropped.

use std::fs;
use std::process::{Child as Process, ChildStdin, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::output::Output;
use super::patience::eventually_some;
use super::reaper;

/// How many lines of its stderr a failing test shows.
const SHOWN: usize = 60;

/// A running program, or one that has ended.
pub(crate) struct Child {
    name: String,
    process: Process,
    ended: Option<ExitStatus>,
    stdin: Option<ChildStdin>,
    /// What it prints.
    pub(crate) stdout: Output,
    /// What it logs.
    pub(crate) stderr: Output,
}

impl Child {
    /// Starts a program; `name` is for messages. Its stdin is a pipe that stays
    /// open until it is dropped.
    pub(crate) fn start(name: &str, command: &mut Command) -> Self {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("starting {name} ({command:?}): {error}"));
        reaper::born(process.id());
        Self {
            name: name.to_owned(),
            ended: None,
            stdin: process.stdin.take(),
            stdout: Output::of(process.stdout.take().expect("stdout is piped")),
            stderr: Output::of(process.stderr.take().expect("stderr is piped")),
            process,
        }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Closes its stdin.
    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// The JSON of its line `READY {…}` on stdout.
    #[track_caller]
    pub(crate) fn ready(&mut self, deadline: Duration) -> serde_json::Value {
        let line = self
            .stdout
            .wait(deadline, |line| line.starts_with("READY "))
            .unwrap_or_else(|| panic!("{} was not ready within {deadline:?}", self.name));
        serde_json::from_str(&line["READY ".len()..])
            .unwrap_or_else(|error| panic!("{}: {line}: {error}", self.name))
    }

    /// Sends a signal; a process that has ended is left alone.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if self.has_ended().is_none() {
            let pid = Pid::from_child(&self.process);
            kill_process(pid, signal).expect("a child can be signalled");
        }
    }

    /// Sends a signal to the process once for each of its threads, which is then the
    /// one that handles it.
    pub(crate) fn signal_each_thread(&mut self, signal: Signal) {
        if self.has_ended().is_none() {
            let threads = format!("/proc/{}/task", self.process.id());
            for thread in fs::read_dir(threads)
                .expect("a child has threads")
                .flatten()
            {
                let id = thread.file_name().into_string().ok();
                let id = id.and_then(|id| Pid::from_raw(id.parse().ok()?));
                // A thread may have ended since.
                let _ = kill_process(id.expect("a thread is a number"), signal);
            }
        }
    }

    /// How it ended, if it has.
    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.process.try_wait().expect("a child can be waited for");
            if self.ended.is_some() {
                reaper::died(self.process.id());
            }
        }
        self.ended
    }

    /// Waits for its end, and for its last words.
    #[track_caller]
    pub(crate) fn wait_exit(&mut self, deadline: Duration) -> ExitStatus {
        let start = Instant::now();
        let what = format!("the end of {}", self.name);
        let status = eventually_some(&what, deadline, || self.has_ended());
        let left = deadline.saturating_sub(start.elapsed());
        self.stderr.wait_closed(left.max(Duration::from_secs(1)));
        self.stdout.wait_closed(left.max(Duration::from_secs(1)));
        status
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.has_ended().is_none() {
            let _ = self.process.kill();
            if self.process.wait().is_ok() {
                reaper::died(self.process.id());
            }
        }
        if thread::panicking() {
            let lines = self.stderr.lines();
            let from = lines.len().saturating_sub(SHOWN);
            eprintln!("--- stderr of {} (the last {SHOWN} lines)", self.name);
            for line in &lines[from..] {
                eprintln!("{line}");
            }
        }
    }
}
