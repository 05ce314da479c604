//! With which environment and arguments the program is started. Nothing is
//! inherited but PATH.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::go_program;
use super::home::Home;
use super::tailnet::Tailnet;
use super::tailport::Tailport;

/// Variables that keep a node on this machine: no log upload, no question to a
/// router.
pub(crate) const STAY_HERE: [(&str, &str); 2] = [
    ("TS_NO_LOGS_NO_SUPPORT", "true"),
    ("TS_DISABLE_PORTMAPPER", "true"),
];

static NAMES: AtomicUsize = AtomicUsize::new(1);

/// The program's file: the one that was given, or cargo's own build of it.
pub(crate) fn program() -> PathBuf {
    go_program::given("tailport").unwrap_or_else(|| env!("CARGO_BIN_EXE_tailport").into())
}

/// How a node is to be started.
#[derive(Clone)]
pub(crate) struct Settings {
    home: Home,
    program: PathBuf,
    launcher: Vec<OsString>,
    arguments: Vec<OsString>,
    variables: BTreeMap<OsString, OsString>,
}

impl Settings {
    /// Nothing but a state directory of its own.
    pub(crate) fn bare() -> Self {
        let settings = Self {
            home: Home::new(),
            program: program(),
            launcher: Vec::new(),
            arguments: Vec::new(),
            variables: BTreeMap::new(),
        };
        let settings = STAY_HERE.iter().fold(settings, |settings, (name, value)| {
            settings.set(name, value)
        });
        let state = settings.home.state();
        settings.set("TS_STATE_DIR", state)
    }

    /// A node with the key of this tailnet and a name that no other test uses.
    pub(crate) fn on(tailnet: &Tailnet) -> Self {
        let name = format!("node-{}", NAMES.fetch_add(1, Relaxed));
        Self::without_key(tailnet)
            .set("TS_HOSTNAME", name)
            .set("TS_AUTHKEY_FILE", tailnet.key_file())
    }

    /// The same without a key.
    pub(crate) fn without_key(tailnet: &Tailnet) -> Self {
        Self::bare().set("TS_CONTROL_URL", tailnet.control_url())
    }

    /// Uses another node's state directory.
    pub(crate) fn home(mut self, home: &Home) -> Self {
        self.home = home.clone();
        let state = home.state();
        self.set("TS_STATE_DIR", state)
    }

    /// The directory that holds the node's state.
    pub(crate) fn directory(&self) -> &Home {
        &self.home
    }

    /// Sets a variable.
    pub(crate) fn set(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.variables
            .insert(name.into(), value.as_ref().to_owned());
        self
    }

    /// Takes a variable away.
    pub(crate) fn unset(mut self, name: &str) -> Self {
        self.variables.remove(OsStr::new(name));
        self
    }

    /// Adds an expose: a port of the tailnet that leads to a target.
    pub(crate) fn expose(self, port: u16, target: impl Display) -> Self {
        self.add("TS_EXPOSE", &format!("{port}={target}"))
    }

    /// Adds a connect: a free local port that leads to a host of the tailnet.
    pub(crate) fn connect(self, target: impl Display) -> Self {
        self.add("TS_CONNECT", &format!("127.0.0.1:0={target}"))
    }

    /// Adds a connect to an address that may be IPv6.
    pub(crate) fn connect_to(self, target: SocketAddr) -> Self {
        self.connect(target)
    }

    /// Adds arguments of the command line.
    pub(crate) fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(OsString::from));
        self
    }

    /// Uses another build of the program.
    pub(crate) fn program(mut self, program: PathBuf) -> Self {
        self.program = program;
        self
    }

    /// Has another program start it; these words come before its own, and the
    /// process must stay the same.
    pub(crate) fn launched_by(mut self, words: &[&str]) -> Self {
        self.launcher = words.iter().map(OsString::from).collect();
        self
    }

    /// The command that this amounts to.
    pub(crate) fn command(&self) -> Command {
        let mut words = self.launcher.clone();
        words.push(self.program.clone().into());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env_clear();
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command.envs(&self.variables).args(&self.arguments);
        command
    }

    /// Starts the program and waits for nothing.
    pub(crate) fn spawn(&self) -> Tailport {
        Tailport::spawn(&self.command(), &self.home)
    }

    /// Starts the program and waits until it is ready and reachable.
    #[track_caller]
    pub(crate) fn start(&self, tailnet: &Tailnet) -> Tailport {
        let mut node = self.spawn();
        let ready = node.wait_ready();
        tailnet.wait_reachable(ready.address());
        node
    }

    fn add(mut self, name: &str, entry: &str) -> Self {
        let list = self.variables.entry(name.into()).or_default();
        if !list.is_empty() {
            list.push(",");
        }
        list.push(entry);
        self
    }
}
