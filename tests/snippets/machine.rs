//! A machine on which blocks are pasted: a network namespace with a private tailnet on it and
//! nothing beyond, so that the addresses and ports that the documents name are free.
//!
//! Every account on it has a home of its own, in which `./target/release/tailport` and `tailport`
//! are the built program, and `make` only says what it would do. The folders of a service are
//! below that home.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::documents;
use crate::host::Host;
use crate::support::child::Child;
use crate::support::home::Home;
use crate::support::patience::{PATIENCE, eventually};
use crate::support::settings::STAY_HERE;
use crate::support::socket;
use crate::support::tailnet::Tailnet;
use crate::support::tailport::Ready;

/// The Windows host of the documents stands beside the machine; here it is the machine too. A
/// node wants an interface besides loopback, and this one leads nowhere.
const INTERFACES: &str = "
    ip link add eth0 type veth peer name nowhere
    ip address add 192.168.1.2/24 dev eth0
    ip address add 192.168.1.50/32 dev lo
    ip link set nowhere up
    ip link set eth0 up";

/// The program by the name that the documents use; it ends with the shell that started it.
const TAILPORT: &str = "#!/bin/sh\nexec setpriv --pdeathsig KILL PROGRAM \"$@\"\n";

/// What `make` is: its targets must be there, and nothing is built.
const MAKE: &str = "#!/bin/sh\nexec /usr/bin/make -n -C TOP \"$@\"\n";

/// Folders of a machine that are in an account's home instead.
const FOLDERS: [&str; 3] = ["/usr/local/bin", "/etc/tailport", "/var/lib/tailport"];

/// The machine.
pub(crate) struct Machine {
    tailnet: Tailnet,
    host: Host,
}

impl Machine {
    /// Makes one with a tailnet that wants an auth key.
    pub(crate) fn new() -> Self {
        let host = Host::new("the machine");
        host.run("sh", &["-ec", INTERFACES]);
        let tailnet = host.enter(Tailnet::start);
        Self { tailnet, host }
    }

    /// The key of its tailnet.
    pub(crate) fn key(&self) -> &str {
        self.tailnet.key()
    }

    /// Asks the tailnet's control server something, or tells it.
    #[track_caller]
    pub(crate) fn tailnet<T: Send>(&self, ask: impl FnOnce(&Tailnet) -> T + Send) -> T {
        self.host.enter(|| ask(&self.tailnet))
    }

    /// A new account, whose nodes find the tailnet and have no key.
    pub(crate) fn account(&self) -> Account<'_> {
        let home = Home::new();
        let tailport = TAILPORT.replace("PROGRAM", env!("CARGO_BIN_EXE_tailport"));
        let top = documents::top().to_str().expect("a text");
        write_program(&home.path().join("target/release/tailport"), &tailport);
        write_program(&home.path().join("bin/tailport"), &tailport);
        write_program(&home.path().join("bin/make"), &MAKE.replace("TOP", top));
        let account = Account {
            machine: self,
            variables: Vec::new(),
            home,
        };
        STAY_HERE
            .iter()
            .fold(account, |account, (name, value)| account.set(name, value))
            .set("TS_CONTROL_URL", self.tailnet.control_url())
            // The first packets between two nodes may be lost.
            .set("TS_DIAL_TIMEOUT", "20s")
    }

    /// A target at an address that a document names.
    #[track_caller]
    pub(crate) fn listen(&self, at: &str) -> TcpListener {
        let listener = self.host.enter(|| TcpListener::bind(at));
        listener.unwrap_or_else(|error| panic!("listening on {at}: {error}"))
    }

    /// The same for datagrams; every wait on it is short.
    #[track_caller]
    pub(crate) fn listen_for_datagrams(&self, at: &str) -> UdpSocket {
        let socket = self.host.enter(|| UdpSocket::bind(at));
        let socket = socket.unwrap_or_else(|error| panic!("binding to {at}: {error}"));
        let bound = Some(Duration::from_secs(1));
        socket.set_read_timeout(bound).expect("setting a timeout");
        socket
    }

    /// Who connects to an address reaches a target, and is answered.
    #[track_caller]
    pub(crate) fn leads(&self, from: &str, target: &TcpListener) {
        let from: SocketAddr = from.parse().expect("an address");
        let client = self.host.enter(|| socket::connect(from));
        let served = socket::accept(target);
        let talks = |mut one: &TcpStream, other: &TcpStream| {
            one.write_all(b"a line\n").expect("writing");
            let mut line = String::new();
            BufReader::new(other).read_line(&mut line).expect("reading");
            assert_eq!(line, "a line\n", "{from}");
        };
        talks(&client, &served);
        talks(&served, &client);
    }

    /// The same for datagrams, of which some may be lost.
    #[track_caller]
    pub(crate) fn leads_datagrams(&self, from: &str, target: &UdpSocket) {
        let client = self.listen_for_datagrams("127.0.0.1:0");
        let mut datagram = [0; 16];
        eventually("a datagram gets there and one comes back", PATIENCE, || {
            client.send_to(b"question", from).expect("sending");
            let Ok((length, origin)) = target.recv_from(&mut datagram) else {
                return false;
            };
            assert_eq!(&datagram[..length], b"question");
            target.send_to(b"answer", origin).expect("answering");
            client
                .recv(&mut datagram)
                .is_ok_and(|length| &datagram[..length] == b"answer")
        });
    }
}

/// Somebody on the machine.
pub(crate) struct Account<'a> {
    machine: &'a Machine,
    variables: Vec<(String, String)>,
    home: Home,
}

impl Account<'_> {
    /// Sets a variable of the shell's environment.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Gives it the tailnet's key, for blocks that begin after the first login.
    pub(crate) fn with_key(self) -> Self {
        let file = self.home.write_secret("given-key", self.machine.key());
        self.set("TS_AUTHKEY_FILE", file.to_str().expect("a text"))
    }

    /// Puts the tailnet's key into a file of its home.
    pub(crate) fn write_key(&self, name: &str) {
        self.home.write_secret(name, self.machine.key());
    }

    /// A path in its home.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Adds a program to those that its shell finds.
    pub(crate) fn install(&self, name: &str, script: &str) {
        write_program(&self.path("bin").join(name), script);
    }

    /// Pastes a block into its shell.
    #[track_caller]
    pub(crate) fn paste(&self, block: &str) -> Pasted<'_> {
        self.paste_and_type(block, "")
    }

    /// The same, and types a text with Ctrl-D after it.
    #[track_caller]
    pub(crate) fn paste_and_type(&self, block: &str, typed: &str) -> Pasted<'_> {
        self.home.write_secret("typed", typed);
        let block = self.localized(block);
        // The shell outlives a stop signal to its group, and tells how the program ended.
        let script = format!("trap : TERM; cd; exec <typed\n{block}");
        let mut command = self.machine.host.command("bash");
        let home = self.home.path().display();
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .args(["-eu", "-o", "pipefail", "-c", &script])
            .process_group(0)
            .env("HOME", self.home.path())
            .env("PATH", format!("{home}/usr/local/bin:{home}/bin:{path}"))
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        Pasted {
            machine: self.machine,
            child: Child::start(block.lines().next().unwrap_or_default(), &mut command),
        }
    }

    /// Pastes a block that ends by itself, well, and returns what it printed.
    #[track_caller]
    pub(crate) fn run(&self, block: &str) -> String {
        let mut pasted = self.paste(block);
        let status = pasted.child.wait_exit(PATIENCE);
        let printed = pasted.child.stdout.lines().join("\n");
        let said = pasted.child.stderr.lines().join("\n");
        assert!(status.success(), "{block}\n{status}\n{printed}\n{said}");
        printed
    }

    /// A text with the folders of a service where this account has them.
    fn localized(&self, text: &str) -> String {
        let home = self.home.path().display();
        let moved = |text: String, folder: &&str| text.replace(folder, &format!("{home}{folder}"));
        FOLDERS.iter().fold(text.to_owned(), moved)
    }
}

/// A block that runs.
pub(crate) struct Pasted<'a> {
    machine: &'a Machine,
    child: Child,
}

impl Pasted<'_> {
    /// Waits until its node is ready, and others reach it.
    #[track_caller]
    pub(crate) fn ready(&mut self) -> Ready {
        let line = self.child.ready(PATIENCE);
        let ready: Ready = serde_json::from_value(line).expect("the READY line's keys");
        let address = ready.address();
        self.machine
            .tailnet(|tailnet| tailnet.wait_reachable(address));
        ready
    }

    /// Waits for a line on stderr.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) -> String {
        let line = self.child.stderr.wait(PATIENCE, |line| line.contains(text));
        line.unwrap_or_else(|| panic!("{text:?} never came"))
    }

    /// What it has printed on stdout.
    pub(crate) fn printed(&self) -> Vec<String> {
        self.child.stdout.lines()
    }

    /// Tells it to stop, and it ends as asked.
    #[track_caller]
    pub(crate) fn stop(mut self) {
        assert_eq!(self.child.has_ended(), None, "it runs until it is told");
        let group = i32::try_from(self.child.pid()).ok().and_then(Pid::from_raw);
        kill_process_group(group.expect("an id"), Signal::TERM).expect("signalling");
        self.ended(0);
    }

    /// Waits for its end by an exit code.
    #[track_caller]
    pub(crate) fn ended(&mut self, code: i32) {
        assert_eq!(self.child.wait_exit(PATIENCE).code(), Some(code));
    }
}

fn write_program(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("making a folder");
    fs::write(path, text).expect("writing a program");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("its mode");
}
