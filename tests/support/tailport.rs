//! The built program as a child process.

use std::net::{IpAddr, SocketAddr};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use rustix::process::Signal;
use serde::Deserialize;
use serde_json::Value;

use super::child::Child;
use super::home::Home;
use super::output::Output;
use super::patience::PATIENCE;

/// A node of ours. It is killed when dropped.
pub(crate) struct Tailport {
    child: Child,
    home: Home,
    ready: Option<Ready>,
}

/// What the READY line tells.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Ready {
    /// The node's name.
    pub(crate) hostname: String,
    /// Its addresses on the tailnet, IPv4 first.
    pub(crate) addresses: Vec<IpAddr>,
    /// What it forwards, in the order of the configuration.
    pub(crate) forwards: Vec<Forward>,
}

/// One forward of the READY line.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Forward {
    /// `expose` or `connect`.
    pub(crate) kind: String,
    /// Where it listens.
    pub(crate) listen: String,
    /// Where it leads.
    pub(crate) target: String,
}

impl Ready {
    /// The IPv4 address on the tailnet.
    pub(crate) fn address(&self) -> IpAddr {
        let v4 = self.addresses.iter().find(|address| address.is_ipv4());
        *v4.expect("a node has an IPv4 address")
    }

    /// Where the connects listen for TCP on this machine; Unix sockets and datagrams
    /// are left out.
    pub(crate) fn local(&self) -> Vec<SocketAddr> {
        let connects = self.forwards.iter().filter(|f| f.kind == "connect");
        connects
            .filter_map(|forward| forward.listen.parse().ok())
            .collect()
    }
}

impl Tailport {
    /// Starts a command that [`super::settings`] has made.
    pub(super) fn spawn(command: &Command, home: &Home) -> Self {
        let mut again = Command::new(command.get_program());
        again.args(command.get_args()).env_clear();
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                again.env(name, value);
            }
        }
        Self {
            child: Child::start("tailport", &mut again),
            home: home.clone(),
            ready: None,
        }
    }

    /// Waits for the READY line.
    #[track_caller]
    pub(crate) fn wait_ready(&mut self) -> Ready {
        self.wait_ready_within(PATIENCE)
    }

    /// Waits for the READY line, at most for `deadline`.
    #[track_caller]
    pub(crate) fn wait_ready_within(&mut self, deadline: Duration) -> Ready {
        let line = self.child.ready(deadline);
        let ready: Ready = serde_json::from_value(line).expect("the READY line's keys");
        self.ready.insert(ready).clone()
    }

    /// What its READY line told.
    pub(crate) fn ready(&self) -> &Ready {
        self.ready.as_ref().expect("the node is ready")
    }

    /// Its IPv4 address on the tailnet.
    pub(crate) fn address(&self) -> IpAddr {
        self.ready().address()
    }

    /// A port at its address on the tailnet.
    pub(crate) fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.address(), port)
    }

    /// Where its only connect listens on this machine.
    pub(crate) fn local(&self) -> SocketAddr {
        let local = self.ready().local();
        assert_eq!(local.len(), 1, "{local:?}");
        local[0]
    }

    /// Its directory, for a second start with the same state.
    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Its stdout.
    pub(crate) fn stdout(&self) -> &Output {
        &self.child.stdout
    }

    /// Its stderr.
    pub(crate) fn stderr(&self) -> &Output {
        &self.child.stderr
    }

    /// All that it has logged so far, in one text.
    pub(crate) fn log(&self) -> String {
        self.child.stderr.lines().join("\n")
    }

    /// Waits for a line on stderr.
    #[track_caller]
    pub(crate) fn wait_for_log(&self, what: &str, wanted: impl FnMut(&str) -> bool) -> String {
        self.child
            .stderr
            .wait(PATIENCE, wanted)
            .unwrap_or_else(|| panic!("{what}: no such line in the log"))
    }

    /// Waits for a line on stderr that contains a text.
    #[track_caller]
    pub(crate) fn wait_for_text(&self, text: &str) -> String {
        self.wait_for_log(text, |line| line.contains(text))
    }

    /// Waits for the closing line of a connection of which `wanted` is true. The
    /// log must be in JSON.
    #[track_caller]
    pub(crate) fn wait_for_closing(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        self.wait_for_closing_from(0, wanted)
    }

    /// The same among the lines after a mark of its stderr.
    #[track_caller]
    pub(crate) fn wait_for_closing_from(
        &self,
        mark: usize,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let parsed = |line: &str| closing(line).filter(&wanted);
        self.child
            .stderr
            .wait_from(mark, PATIENCE, |line| parsed(line).is_some())
            .and_then(|line| parsed(&line))
            .expect("a closing line in the log")
    }

    /// The closing lines so far. The log must be in JSON.
    pub(crate) fn closings(&self) -> Vec<Value> {
        let lines = self.child.stderr.lines();
        lines.iter().filter_map(|line| closing(line)).collect()
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&mut self) {
        self.child.signal(Signal::TERM);
    }

    /// Asks it to stop as a terminal does.
    pub(crate) fn interrupt(&mut self) {
        self.child.signal(Signal::INT);
    }

    /// Tells it that its configuration is to be read again.
    pub(crate) fn hang_up(&mut self) {
        self.child.signal(Signal::HUP);
    }

    /// The same to each of its threads in turn.
    pub(crate) fn hang_up_each_thread(&mut self) {
        self.child.signal_each_thread(Signal::HUP);
    }

    /// Ends it without a chance to do anything.
    pub(crate) fn kill(&mut self) {
        self.child.signal(Signal::KILL);
    }

    /// Stops it, so that it stays connected and does nothing.
    pub(crate) fn freeze(&mut self) {
        self.child.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub(crate) fn thaw(&mut self) {
        self.child.signal(Signal::CONT);
    }

    /// How it ended, if it has.
    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.has_ended()
    }

    /// Waits for its end, and for its last words.
    #[track_caller]
    pub(crate) fn wait_exit(&mut self, deadline: Duration) -> ExitStatus {
        self.child.wait_exit(deadline)
    }

    /// Waits for its end by an exit code.
    #[track_caller]
    pub(crate) fn wait_code(&mut self, deadline: Duration) -> i32 {
        let status = self.wait_exit(deadline);
        status
            .code()
            .unwrap_or_else(|| panic!("tailport did not exit: {status}"))
    }
}

fn closing(line: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(line).ok()?;
    (value["message"] == "connection ended").then_some(value)
}
