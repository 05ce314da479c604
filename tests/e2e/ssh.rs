//! OpenSSH through connect and expose: a real daemon, a command and files.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use crate::stage;
use crate::support::content::{self, Content, MIB};
use crate::support::home::Home;
use crate::support::pair::Lane;
use crate::support::socket;

/// The name that the host key is known by: the port is another one every time.
const HOST: &str = "exposed-host";

/// What a daemon and its user need: keys and configuration.
struct Ssh {
    home: Home,
    sshd: PathBuf,
}

impl Ssh {
    fn new() -> Self {
        let sshd = ["/usr/sbin/sshd", "/usr/bin/sshd", "/usr/local/sbin/sshd"]
            .into_iter()
            .map(PathBuf::from)
            .find(|path| path.exists())
            .expect("this test needs the OpenSSH server: install the package openssh-server");
        if rustix::process::geteuid().is_root() {
            // The daemon, as root, wants a directory for its unprivileged part.
            fs::create_dir_all("/run/sshd").expect("making /run/sshd");
        }
        let ssh = Self {
            home: Home::new(),
            sshd,
        };
        for key in ["host_key", "user_key"] {
            let mut command = Command::new("ssh-keygen");
            command.args(["-q", "-t", "ed25519", "-N", "", "-f"]);
            succeed(command.arg(ssh.path(key)));
        }
        let public = |key: &str| fs::read_to_string(ssh.path(key)).expect("a public key");
        ssh.home
            .write_secret("authorized_keys", &public("user_key.pub"));
        let known = format!("{HOST} {}", public("host_key.pub"));
        ssh.home.write_secret("known_hosts", &known);
        let daemon = format!(
            "HostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPidFile none\n\
             PasswordAuthentication no\nPermitRootLogin prohibit-password\n\
             Subsystem sftp internal-sftp",
            ssh.path("host_key").display(),
            ssh.path("authorized_keys").display(),
        );
        ssh.home.write_secret("sshd_config", &daemon);
        ssh
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A daemon for one connection.
    fn serve(&self, stream: TcpStream) -> Child {
        let input = OwnedFd::from(stream);
        let output = input.try_clone().expect("a second descriptor");
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.path("sshd.log"))
            .expect("opening the daemon's log");
        Command::new(&self.sshd)
            .args(["-i", "-e", "-f"])
            .arg(self.path("sshd_config"))
            .stdin(input)
            .stdout(output)
            .stderr(log)
            .spawn()
            .expect("starting sshd")
    }

    /// A client's command up to its own arguments.
    fn client(&self, program: &str, entry: SocketAddr) -> Command {
        let mut command = Command::new(program);
        command
            .args(["-F", "none", "-o", "BatchMode=yes"])
            .args([
                "-o",
                "StrictHostKeyChecking=yes",
                "-o",
                "IdentitiesOnly=yes",
            ])
            .args(["-o", &format!("HostKeyAlias={HOST}")])
            .args(["-o", &format!("Port={}", entry.port())])
            .arg("-o")
            .arg(option("UserKnownHostsFile", &self.path("known_hosts")))
            .arg("-o")
            .arg(option("IdentityFile", &self.path("user_key")));
        command
    }

    /// Runs `test` while every connection to the lane's target gets a daemon.
    fn behind<T>(&self, lane: &Lane<'_>, test: impl FnOnce() -> T) -> T {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let accepting = scope.spawn(|| {
                let mut daemons = Vec::new();
                while !done.load(SeqCst) {
                    match socket::accept_now(lane.target()) {
                        Some(stream) => daemons.push(self.serve(stream)),
                        None => thread::sleep(Duration::from_millis(10)),
                    }
                }
                daemons
            });
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(test));
            done.store(true, SeqCst);
            for mut daemon in accepting.join().expect("accepting") {
                if result.is_err() {
                    let _ = daemon.kill();
                }
                let _ = daemon.wait();
            }
            result.unwrap_or_else(|panic| {
                let log = fs::read_to_string(self.path("sshd.log")).unwrap_or_default();
                eprintln!("--- log of sshd\n{log}");
                std::panic::resume_unwind(panic)
            })
        })
    }
}

fn option(name: &str, path: &Path) -> String {
    format!("{name}={}", path.display())
}

/// Runs a command to its good end and returns what it printed.
#[track_caller]
fn succeed(command: &mut Command) -> String {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; is openssh-client installed?"));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}");
    String::from_utf8(output.stdout).expect("text")
}

fn of_file(path: &Path) -> Content {
    let mut file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    content::receive(&mut file).expect("reading a file")
}

fn at_host(path: &Path) -> String {
    format!("127.0.0.1:{}", path.display())
}

#[test]
fn an_ssh_command_runs_on_the_exposed_host_and_its_output_comes_back() {
    let ssh = Ssh::new();
    let lane = stage::pair().lane();
    let output = ssh.behind(&lane, || {
        let mut command = ssh.client("ssh", lane.entry());
        succeed(command.args(["127.0.0.1", "echo", "$((6 * 7))", "on", "$SSH_CONNECTION"]))
    });
    assert!(output.starts_with("42 on 127.0.0.1 "), "{output}");
}

#[test]
fn a_file_of_64_mib_survives_scp_there_and_back() {
    let ssh = Ssh::new();
    let lane = stage::pair().lane();
    let [here, there, back] = ["here", "there", "back"].map(|name| ssh.path(name));
    let mut file = File::create(&here).expect("making a file");
    let sent = content::send(&mut file, 64 * MIB, 3).expect("writing a file");
    ssh.behind(&lane, || {
        let scp = || ssh.client("scp", lane.entry());
        succeed(scp().arg(&here).arg(at_host(&there)));
        succeed(scp().arg(at_host(&there)).arg(&back));
    });
    assert_eq!(of_file(&there), sent);
    assert_eq!(of_file(&back), sent);
}
