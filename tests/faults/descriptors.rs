//! The process runs out of file descriptors: new connections wait or are reset,
//! those that run go on, and all is well when there are descriptors again.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::flow::logged;
use crate::support::server::Server;
use crate::support::settings::Settings;
use crate::support::socket;
use crate::support::tailnet::Tailnet;
use crate::support::tailport::Tailport;

/// More new connections than there are gaps between the descriptors in use.
const CLIENTS: usize = 40;

/// A node that exposes an echo, and one that connects to it.
struct Both {
    exposing: Tailport,
    connecting: Tailport,
    _echo: Server,
}

impl Both {
    fn start(tailnet: &Tailnet) -> Self {
        let echo = Server::echo();
        let json = || Settings::on(tailnet).set("TS_LOG_FORMAT", "json");
        let exposing = json().expose(7000, echo.address()).start(tailnet);
        let connecting = json()
            .set("TS_DIAL_TIMEOUT", "20s")
            .connect(exposing.at(7000))
            .start(tailnet);
        Self {
            exposing,
            connecting,
            _echo: echo,
        }
    }
}

/// Says a word and hears it again, or not.
fn echoes(stream: &mut TcpStream) -> bool {
    let mut heard = [0; 4];
    let said = stream.write_all(b"word");
    said.and_then(|()| stream.read_exact(&mut heard)).is_ok() && heard == *b"word"
}

/// Changes the running process's limit and returns the one it had.
fn set_limit(node: &Tailport, limit: Rlimit) -> Rlimit {
    let pid = Pid::from_raw(i32::try_from(node.pid()).unwrap());
    prlimit(pid, Resource::Nofile, limit).expect("a child's limits can be changed")
}

/// Lets a process have no more descriptors than it has; those above the limit
/// leave it as many gaps below. Returns the limit it had.
fn exhaust(node: &Tailport) -> Rlimit {
    let entries = fs::read_dir(format!("/proc/{}/fd", node.pid())).unwrap();
    let held = u64::try_from(entries.count()).unwrap();
    assert!(held > 0, "it has a stdin");
    // The hard limit stays: only root could raise it again.
    let maximum = getrlimit(Resource::Nofile).maximum;
    let current = Some(held);
    set_limit(node, Rlimit { current, maximum })
}

/// Clients come while a node has no descriptors; the one that was there before
/// goes on meanwhile and afterwards. The node says why. Returns how many are served in the
/// end.
#[track_caller]
fn clients_meet_a_full_node(node: &Tailport, entry: SocketAddr, says: &str) -> usize {
    let mut before = socket::connect(entry);
    assert!(echoes(&mut before));
    let mark = node.stderr().mark();
    let limit = exhaust(node);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| socket::connect(entry)).collect();
    let line = logged(node, mark, says, |line| line["message"] == says);
    assert!(
        line["error"].as_str().unwrap().contains("open files"),
        "{line}"
    );
    assert!(echoes(&mut before), "the one from before goes on");

    set_limit(node, limit);
    let served = clients
        .iter_mut()
        .map(|client| usize::from(echoes(client)))
        .sum();
    assert!(echoes(&mut before), "the one from before still goes on");
    drop(clients);
    assert!(
        echoes(&mut socket::connect(entry)),
        "new ones are taken again"
    );
    served
}

#[test]
fn local_clients_wait_while_a_node_has_no_descriptors() {
    let tailnet = Tailnet::start();
    let mut both = Both::start(&tailnet);
    let entry = both.connecting.local();
    let served = clients_meet_a_full_node(&both.connecting, entry, "accepting paused");
    assert!(
        served > 0,
        "those in the kernel's queue are served in the end"
    );
    assert!(both.connecting.has_ended().is_none() && both.exposing.has_ended().is_none());
}

#[test]
fn peers_are_turned_away_while_a_node_has_no_descriptors() {
    let tailnet = Tailnet::start();
    let mut both = Both::start(&tailnet);
    let entry = both.connecting.local();
    // They take none themselves; their targets cannot be dialed.
    clients_meet_a_full_node(&both.exposing, entry, "connection ended");
    assert!(both.connecting.has_ended().is_none() && both.exposing.has_ended().is_none());
}
