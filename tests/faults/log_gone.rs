//! Nobody reads the output any more, because the reader of the pipe or the
//! terminal has gone or stands still: no SIGPIPE, no panic, and connections flow.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::flow::Flow;
use crate::support::patience::{PATIENCE, eventually_some};
use crate::support::reaper;
use crate::support::settings::Settings;
use crate::support::socket;
use crate::support::tailnet::Tailnet;
use crate::support::tailport::Ready;

/// A node whose outputs the test holds itself. It is killed when dropped.
struct Node(Child);

impl Node {
    fn start(command: &mut Command) -> Self {
        let process = command.stdin(Stdio::null()).spawn().unwrap();
        reaper::born(process.id());
        Self(process)
    }

    /// Connections come and go, each with its line for the log; nothing else
    /// happens.
    #[track_caller]
    fn goes_on(&mut self, entry: SocketAddr, target: &TcpListener) {
        for _ in 0..20 {
            Flow::of((socket::connect(entry), socket::accept(target))).talks();
        }
        assert!(self.0.try_wait().unwrap().is_none(), "it lives");
    }

    /// Asks it to stop and returns its exit code.
    fn stop(&mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        eventually_some("its end", PATIENCE, || self.0.try_wait().unwrap()).code()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        if self.0.wait().is_ok() {
            reaper::died(self.0.id());
        }
    }
}

/// A node on a tailnet with a target behind it, for one way of losing the output.
/// `lose` is given the command; it starts the node and reads its READY line, and
/// nobody reads either output once it has returned.
#[track_caller]
fn outlives_its_reader(lose: impl FnOnce(&mut Command) -> (Node, Ready)) {
    let tailnet = Tailnet::start();
    let target = socket::listen();
    let exposing = Settings::on(&tailnet)
        .expose(7000, target.local_addr().unwrap())
        .start(&tailnet);
    let settings = Settings::on(&tailnet)
        .set("TS_LOG", "debug")
        .set("TS_DIAL_TIMEOUT", "20s")
        .connect(exposing.at(7000));
    let (mut node, ready) = lose(&mut settings.command());
    let entry = ready.local()[0];
    tailnet.wait_reachable(ready.address());
    node.goes_on(entry, &target);
    // The node itself has things to say as well.
    tailnet.control("refuse");
    node.goes_on(entry, &target);
    tailnet.control("ok");
    tailnet.wait_reachable(ready.address());
    node.goes_on(entry, &target);
    assert_eq!(node.stop(), Some(0), "it ends as asked");
}

/// Reads up to the READY line.
fn ready(from: &mut impl BufRead) -> Ready {
    let mut line = String::new();
    while from.read_line(&mut line).unwrap() > 0 {
        if let Some(json) = line.strip_prefix("READY ") {
            return serde_json::from_str(json).unwrap();
        }
        line.clear();
    }
    panic!("it ended before it was ready");
}

#[test]
fn a_node_outlives_the_reader_of_its_pipes() {
    outlives_its_reader(|command| {
        let mut node = Node::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
        // One pipe at a time is enough up to here: they hold more than it says.
        let mut stdout = BufReader::new(node.0.stdout.take().unwrap());
        let ready = ready(&mut stdout);
        drop((stdout, node.0.stderr.take()));
        (node, ready)
    });
}

#[test]
fn a_node_outlives_its_terminal() {
    outlives_its_reader(|command| {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let far = openpt(flags).unwrap();
        grantpt(&far).unwrap();
        unlockpt(&far).unwrap();
        let name = ptsname(&far, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let near = rustix::fs::open(name, flags, Mode::empty()).unwrap();
        command.stdout(near.try_clone().unwrap()).stderr(near);
        let node = Node::start(command);
        // The command keeps its copies of the terminal until others replace them.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut far = BufReader::new(File::from(far));
        let ready = ready(&mut far);
        drop(far);
        (node, ready)
    });
}

/// A node whose log goes to a pipe that a few lines fill, and that nobody reads. It
/// stays open as long as the node is there.
#[track_caller]
fn unread(command: &mut Command) -> (Node, Ready) {
    let mut node = Node::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    let stderr = node.0.stderr.as_ref().unwrap();
    rustix::pipe::fcntl_setpipe_size(stderr, 4096).unwrap();
    let stdout = node.0.stdout.take().unwrap();
    let (tell, told) = mpsc::channel();
    // The node may be the one that waits.
    thread::spawn(move || tell.send(ready(&mut BufReader::new(stdout))));
    let ready = told.recv_timeout(PATIENCE);
    (node, ready.expect("ready although nobody reads its log"))
}

#[test]
fn a_node_does_not_wait_for_a_reader_that_stands_still() {
    outlives_its_reader(unread);
}

#[test]
fn a_reader_that_goes_on_is_told_how_many_lines_it_has_missed() {
    let tailnet = Tailnet::start();
    let settings = Settings::on(&tailnet)
        .set("TS_LOG", "debug")
        .expose(7000, "127.0.0.1:9");
    let (mut node, _) = unread(&mut settings.command());
    let mut stderr = node.0.stderr.take().unwrap();
    let reading = thread::spawn(move || {
        let mut log = String::new();
        stderr.read_to_string(&mut log).map(|_| log)
    });
    assert_eq!(node.stop(), Some(0), "it ends as asked");
    let log = reading.join().unwrap().unwrap();
    assert!(log.contains("log lines were lost"), "{log}");
}
