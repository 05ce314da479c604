//! A container's life: not yet ready, ready, carrying, stopped, and once more from
//! the same volume. It is as confined as its owner says.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};

use crate::engine::{Container, STATE, Volume};
use crate::stage::{self, USER};
use crate::support::content::{self, MIB};
use crate::support::patience::{PATIENCE, eventually_some};
use crate::support::peer::Peer;
use crate::support::server::Server;
use crate::support::socket;
use crate::support::tailnet::Tailnet;

/// `tailport status` of a node that carries nothing.
const NOT_READY: i32 = 69;

/// `tailport run` with a configuration that must be changed.
const USAGE: i32 = 64;

const EXPOSED: u16 = 7000;
const BEHIND_THE_PEER: u16 = 9001;

/// Sends a mebibyte to a server that hashes it, half-closes, and reads the hash.
#[track_caller]
fn carries(mut stream: TcpStream, seed: u64) {
    let sent = content::send(&mut stream, MIB, seed).expect("sending");
    stream.shutdown(Shutdown::Write).expect("half-closing");
    let mut answer = String::new();
    BufReader::new(stream)
        .read_line(&mut answer)
        .expect("an answer");
    assert_eq!(answer.trim(), format!("{} {}", sent.length, sent.hash));
}

/// The fields of /proc/PID/status.
fn process(pid: u32) -> BTreeMap<String, String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    fields
        .map(|(name, value)| (name.to_owned(), words(value)))
        .collect()
}

/// It is the first process of its container, of the image's user, without a right.
#[track_caller]
fn is_confined(pid: u32) {
    let process = process(pid);
    let is = |field: &str, expected: &str| assert_eq!(process[field], expected, "{field}");
    is("NSpid", &format!("{pid} 1"));
    is("Uid", &[USER.to_string().as_str(); 4].join(" "));
    is("Gid", &[USER.to_string().as_str(); 4].join(" "));
    for capabilities in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        is(capabilities, "0000000000000000");
    }
    is("NoNewPrivs", "1");
    // The engine's filter of system calls.
    is("Seccomp", "2");
    let mounts = fs::read_to_string(format!("/proc/{pid}/mounts")).expect("mounts");
    let root = mounts
        .lines()
        .find(|line| line.split(' ').nth(1) == Some("/"));
    let options = root
        .and_then(|line| line.split(' ').nth(3))
        .expect("a root");
    assert!(options.split(',').any(|option| option == "ro"), "{options}");
}

#[test]
#[ignore = "needs the image: make image"]
fn it_carries_bytes_both_ways_tells_its_health_and_is_the_same_node_again() {
    let tailnet = Tailnet::start();
    let peer = Peer::start(&tailnet);
    let server = Server::hashing();
    // Both halves look names up in what the engine has put into /etc/hosts.
    let control = tailnet.control_url().replace("127.0.0.1", "control.test");
    assert!(control.contains("control.test"), "{control}");
    let settings = stage::settings(&tailnet)
        .set("TS_CONTROL_URL", control)
        .expose(EXPOSED, format!("target.test:{}", server.address().port()))
        .connect(SocketAddr::new(peer.address(), BEHIND_THE_PEER));
    let volume = Volume::new();
    let hosts = ["control", "target"].map(|name| format!("--add-host={name}.test:127.0.0.1"));
    let base = [&hosts[..], &[volume.option()]].concat();

    tailnet.control("silent");
    let options = [&base[..], &[stage::key(&settings, &tailnet)]].concat();
    let mut container = Container::run(&settings, &options);
    let pid = container.pid();
    let code = eventually_some("the program answers in the container", PATIENCE, || {
        let (code, said) = container.exec(&["status"]);
        said.contains("not ready").then_some(code)
    });
    assert_eq!(code, NOT_READY);
    assert!(!container.is_healthy());
    is_confined(pid);

    tailnet.control("ok");
    let ready = container.ready();
    container.wait_healthy();
    tailnet.wait_reachable(ready.address());
    peer.greet(ready.address());
    let _listening = peer.listen(BEHIND_THE_PEER, server.address());
    carries(peer.dial(SocketAddr::new(ready.address(), EXPOSED)), 1);
    let [local] = ready.local()[..] else {
        panic!("{ready:?}");
    };
    carries(socket::connect(local), 2);
    assert_eq!(container.stop(), 0);

    // Without a key.
    let mut container = Container::run(&settings.unset("TS_AUTHKEY_FILE"), &base);
    let again = container.ready();
    assert_eq!(again.addresses, ready.addresses);
    assert_eq!(container.stop(), 0);
    assert_eq!(tailnet.nodes().len(), 2, "the peer and one node of ours");
}

#[test]
#[ignore = "needs the image: make image"]
fn a_place_for_the_state_that_is_not_its_own_is_refused_with_what_to_do() {
    let tailnet = Tailnet::start();
    let settings = stage::settings(&tailnet).expose(EXPOSED, "127.0.0.1:9");
    let place = settings.directory().path().join("open");
    fs::create_dir(&place).unwrap();
    for (owner, mode, advice) in [
        (USER, 0o755, "run chmod o-rwx on it"),
        // As an engine makes it when it does not exist.
        (0, 0o755, "run chmod o-rwx on it"),
        (0, 0o700, "this user must be able to write"),
    ] {
        chown(&place, Some(owner), Some(owner)).unwrap();
        fs::set_permissions(&place, Permissions::from_mode(mode)).unwrap();
        let options = [
            format!("--volume={}:{STATE}", place.display()),
            stage::key(&settings, &tailnet),
        ];
        let mut container = Container::run(&settings, &options);
        assert_eq!(container.wait_code(), USAGE);
        let log = container.log().lines().join("\n");
        assert!(log.contains(advice) && log.contains(STATE), "{log}");
    }
}
