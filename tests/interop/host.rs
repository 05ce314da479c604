//! A machine of the tests: a network namespace of its own.
//!
//! A process holds it by waiting for the end of its stdin, so the namespace is
//! gone with the test process, however that ends, and leaves no name behind. The
//! holder also has a mount namespace: `/run` is empty, and names are asked of an
//! address that nobody has and that the router writes down. Its TCP is Reno,
//! whatever the machine's is: bbr takes what the short queues to a relay drop
//! for a policer's doing and crawls ever after.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::panic::resume_unwind;
use std::process::Command;
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::support::child::Child;
use crate::support::home::Home;
use crate::support::patience::PATIENCE;

/// A name server that does not exist.
const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(198, 19, 0, 53);

/// What the holder does; its argument is the file to be seen as resolv.conf.
const HOLD: &str = r#"
set -e
ip link set lo up
echo reno >/proc/sys/net/ipv4/tcp_congestion_control
[ ! -e /etc/resolv.conf ] || mount --bind "$1" /etc/resolv.conf
mount -t tmpfs tmpfs /run
mkdir -p /run/sshd /run/tailscale
echo up
exec cat
"#;

/// A machine.
pub(crate) struct Host {
    name: String,
    holder: Child,
    network: File,
    home: Home,
}

impl Host {
    /// Makes one that reaches nothing but itself.
    pub(crate) fn new(name: &str) -> Self {
        let home = Home::new();
        let resolv = home.path().join("resolv.conf");
        fs::write(&resolv, format!("nameserver {NAME_SERVER}\n")).unwrap();
        let mut command = Command::new("unshare");
        command
            .args(["--net", "--mount", "sh", "-c", HOLD, "hold"])
            .arg(resolv);
        let holder = Child::start(name, &mut command);
        holder
            .stdout
            .wait(PATIENCE, |line| line == "up")
            .unwrap_or_else(|| {
                let why = holder.stderr.lines().join("\n");
                panic!("making the namespace of {name}, which takes root: {why}")
            });
        Self {
            name: name.to_owned(),
            network: File::open(format!("/proc/{}/ns/net", holder.pid())).unwrap(),
            holder,
            home,
        }
    }

    /// Its name, for messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The process whose namespaces it is.
    pub(crate) fn pid(&self) -> u32 {
        self.holder.pid()
    }

    /// A directory for what runs on it.
    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// Does something on this machine's network. Sockets made and processes
    /// started there stay there.
    #[track_caller]
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let entered = || {
            move_into_link_name_space(self.network.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("entering a network namespace");
            work()
        };
        thread::scope(|scope| scope.spawn(entered).join()).unwrap_or_else(|why| resume_unwind(why))
    }

    /// A program to be started on it, with nothing in its environment but PATH.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.env_clear();
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        let pid = self.pid().to_string();
        command.args(["--target", &pid, "--net", "--mount", "--", program]);
        command
    }

    /// Runs a program on it to a successful end and returns what it printed.
    #[track_caller]
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> String {
        succeed(self.command(program).args(arguments))
    }
}

/// Runs a command to a successful end and returns what it printed.
#[track_caller]
pub(crate) fn succeed(command: &mut Command) -> String {
    let output = command.output().expect("starting a program");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}
