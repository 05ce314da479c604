//! The podman that `tests/container/build.sh` has made, and a container of the image
//! as a child process. It is removed when dropped.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::support::child::Child;
use crate::support::home::Home;
use crate::support::output;
use crate::support::patience::{PATIENCE, eventually, eventually_some};
use crate::support::reaper;
use crate::support::settings::Settings;
use crate::support::tailport::Ready;

/// The image's name.
pub(crate) const IMAGE: &str = "tailport";

/// Where the image keeps the state.
pub(crate) const STATE: &str = "/var/lib/tailport";

/// The program in the image.
pub(crate) const PROGRAM: &str = "/usr/local/bin/tailport";

/// What podman gives a container before it kills it, in seconds: the test's patience.
pub(crate) const GRACE: &str = "60";

/// As confined as a container can be. Its network is this machine's, and that of the
/// tailnet.
const CONFINED: [&str; 7] = [
    "--network=host",
    "--read-only",
    "--read-only-tmpfs=false",
    "--cap-drop=all",
    "--security-opt=no-new-privileges",
    "--attach=stdout",
    "--attach=stderr",
];

static NAMES: AtomicUsize = AtomicUsize::new(1);

/// A name that no other container or volume has.
fn name(what: &str) -> String {
    format!("{what}-{}", NAMES.fetch_add(1, Relaxed))
}

/// Podman itself.
#[track_caller]
pub(crate) fn podman(arguments: &[&str]) -> Command {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("container/podman");
    assert!(program.is_file(), "no {program:?}: run make image");
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.args(arguments);
    command
}

/// Runs podman to its end: the exit code, and what it said.
#[track_caller]
pub(crate) fn asked(arguments: &[&str]) -> (i32, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = podman(arguments).output().expect("starting podman");
    let said = [stdout, stderr].concat();
    let code = status.code().expect("an exit code");
    (code, String::from_utf8_lossy(&said).into_owned())
}

/// Runs podman to a successful end and returns what it said.
#[track_caller]
pub(crate) fn told(arguments: &[&str]) -> String {
    let (code, said) = asked(arguments);
    assert_eq!(code, 0, "podman {arguments:?}: {said}");
    said
}

/// The variables of these settings, without those of this machine's own.
pub(crate) fn variables(settings: &Settings) -> Vec<String> {
    let text = |value: &OsStr| value.to_str().unwrap().to_owned();
    let command = settings.command();
    let all = command.get_envs();
    let all = all.map(|(name, value)| (text(name), text(value.unwrap())));
    all.filter(|(name, _)| name.starts_with("TS_") && name != "TS_STATE_DIR")
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}

/// A named volume. It is removed when dropped.
pub(crate) struct Volume(String);

impl Volume {
    /// Makes an empty one.
    pub(crate) fn new() -> Self {
        let name = name("state");
        told(&["volume", "create", &name]);
        Self(name)
    }

    /// The option that gives it to a container for the state.
    pub(crate) fn option(&self) -> String {
        format!("--volume={}:{STATE}", self.0)
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        asked(&["volume", "rm", &self.0]);
    }
}

/// A container of the image.
pub(crate) struct Container {
    name: String,
    child: Child,
    pid: Option<u32>,
    /// Where podman's monitor and its mounts look.
    _home: Home,
}

impl Container {
    /// Starts one with the variables of these settings, and more options for podman.
    /// The state is where the image says.
    pub(crate) fn run(settings: &Settings, options: &[String]) -> Self {
        let name = name("tailport");
        let home = settings.directory().clone();
        let pid_file = home.path().join(&name);
        let mut command = podman(&["run", "--rm", "--replace", "--name", &name]);
        command.arg("--pidfile").arg(&pid_file);
        command.args(CONFINED).args(options);
        for variable in variables(settings) {
            command.arg("--env").arg(variable);
        }
        command.arg(IMAGE);
        let mut child = Child::start(&name, &mut command);
        let pid = eventually_some("podman starts it or gives up", PATIENCE, || {
            let text = fs::read_to_string(&pid_file).unwrap_or_default();
            let pid: Option<u32> = text.trim().parse().ok();
            (pid.is_some() || child.has_ended().is_some()).then_some(pid)
        });
        // It is no child of podman's, and would outlive it.
        pid.inspect(|pid| reaper::born(*pid));
        Self {
            name,
            child,
            pid,
            _home: home,
        }
    }

    /// Waits for the READY line.
    #[track_caller]
    pub(crate) fn ready(&mut self) -> Ready {
        serde_json::from_value(self.child.ready(PATIENCE)).expect("the READY line's keys")
    }

    /// Its first process as this machine numbers it.
    #[track_caller]
    pub(crate) fn pid(&self) -> u32 {
        self.pid.expect("podman has started it")
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> &output::Output {
        &self.child.stderr
    }

    /// Runs the program once more inside: its exit code, and what it said.
    #[track_caller]
    pub(crate) fn exec(&self, arguments: &[&str]) -> (i32, String) {
        asked(&[&["exec", &self.name, PROGRAM], arguments].concat())
    }

    /// Whether the image's health check finds it well within its timeout.
    #[track_caller]
    pub(crate) fn is_healthy(&self) -> bool {
        let (code, said) = asked(&["healthcheck", "run", &self.name]);
        assert!(code <= 1, "{code}: {said}");
        code == 0
    }

    /// Waits until the health check finds it well: a check may come too late on a
    /// loaded machine.
    #[track_caller]
    pub(crate) fn wait_healthy(&self) {
        eventually("the container is well", PATIENCE, || self.is_healthy());
    }

    /// Has podman stop it by the image's signal, and returns its exit code.
    #[track_caller]
    pub(crate) fn stop(&mut self) -> i32 {
        told(&["stop", "--time", GRACE, &self.name]);
        self.wait_code()
    }

    /// Waits for its end by an exit code.
    #[track_caller]
    pub(crate) fn wait_code(&mut self) -> i32 {
        let status = self.child.wait_exit(PATIENCE);
        self.gone();
        status.code().expect("an exit code")
    }

    fn gone(&mut self) {
        if let Some(pid) = self.pid.take() {
            reaper::died(pid);
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if self.child.has_ended().is_none() {
            asked(&["rm", "--force", "--time", "0", &self.name]);
        }
        self.gone();
    }
}
