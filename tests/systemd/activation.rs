//! Socket activation: the manager binds, the program accepts.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};

use crate::support::home::Home;
use crate::support::patience::PATIENCE;
use crate::support::settings::Settings;
use crate::support::shared::{peer, tailnet};
use crate::support::socket;
use crate::support::tailport::Tailport;

/// Starts the program with these sockets as its descriptors from 3 on, each with its name,
/// as a manager does. The test keeps them open, as a manager does too.
fn spawn(settings: Settings, sockets: &[(&str, &dyn AsFd)]) -> Tailport {
    // Far away from the numbers that they are to have.
    let copy = |(_, socket): &(&str, &dyn AsFd)| fcntl_dupfd_cloexec(socket.as_fd(), 50).unwrap();
    let copies: Vec<OwnedFd> = sockets.iter().map(copy).collect();
    let mut script = "exec".to_owned();
    for (at, copy) in (3..).zip(&copies) {
        let number = copy.as_raw_fd();
        script += &format!(" {at}<&{number} {number}<&-");
    }
    script += "; export LISTEN_PID=$$; exec \"$@\"";
    let names: Vec<&str> = sockets.iter().map(|(name, _)| *name).collect();
    let settings = settings
        .set("LISTEN_FDS", sockets.len().to_string())
        .set("LISTEN_FDNAMES", names.join(":"))
        .launched_by(&["bash", "-c", &script, "manager"]);
    for copy in &copies {
        fcntl_setfd(copy, FdFlags::empty()).unwrap();
    }
    // They are closed again when it has been started.
    settings.spawn()
}

fn connect(name: &str, listen: &str, port: u16) -> String {
    let target = SocketAddr::new(peer().address(), port);
    format!("[[connect]]\nname = '{name}'\nlisten = '{listen}'\ntarget = '{target}'\n")
}

/// Bytes go both ways between a client and whoever accepts at the target.
#[track_caller]
fn talks(mut client: impl Read + Write, target: &TcpListener) {
    client.write_all(b"hello").unwrap();
    let mut served = socket::accept(target);
    let mut got = [0; 5];
    served.read_exact(&mut got).unwrap();
    served.write_all(&got).unwrap();
    got.fill(0);
    client.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"hello");
}

#[test]
fn connects_accept_on_the_sockets_that_were_passed_before_and_after_a_reload() {
    let [target, other] = std::array::from_fn(|_| socket::listen());
    let _listening = [(9101, &target), (9102, &other)]
        .map(|(port, target)| peer().listen(port, socket::address(target)));
    let settings = Settings::on(tailnet());
    let path = settings.directory().path().join("db.sock");
    let tcp = socket::listen();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let unix = UnixListener::bind(&path).unwrap();
    let at = socket::address(&tcp);
    let fixed = connect("dns", &format!("{}/udp", udp.local_addr().unwrap()), 9101)
        // By its name alone: the socket listens elsewhere.
        + &connect("db", "unix:/nowhere/db.sock", 9101);
    let rdp = |name: &str, port: u16| fixed.clone() + &connect(name, &at.to_string(), port);
    let file = settings
        .directory()
        .write_secret("tailport.toml", &rdp("rdp", 9101));
    // The first one may have to wait for the handshake of the two nodes; its SYNs go
    // after 1, 3, 7, 15 and 31 s.
    let settings = settings
        .set("TS_CONFIG", &file)
        .set("TS_DIAL_TIMEOUT", "60s");
    // Who comes before the program is there waits.
    let early = socket::connect(at);
    let sockets: [(&str, &dyn AsFd); 3] = [("db", &unix), ("a.socket", &tcp), ("", &udp)];
    let mut node = spawn(settings, &sockets);
    let ready = node.wait_ready();
    peer().greet(ready.address());
    talks(early, &target);
    talks(UnixStream::connect(&path).unwrap(), &target);

    // Kept, and then opened anew in the same place.
    for (name, port, target) in [("rdp", 9102, &other), ("desktop", 9102, &other)] {
        let mark = node.stderr().mark();
        fs::write(&file, rdp(name, port)).unwrap();
        node.hang_up();
        let done = |line: &str| line.contains("reload: changed") || line.contains("reload: added");
        let seen = node.stderr().wait_from(mark, PATIENCE, done);
        assert!(seen.is_some(), "nothing was changed");
        talks(socket::connect(at), target);
    }

    // What would leave a socket without anybody who accepts changes nothing.
    fs::write(&file, &fixed).unwrap();
    node.hang_up();
    node.wait_for_text("no connect listens on the socket \"a.socket\"");
    talks(socket::connect(at), &other);
    node.terminate();
    assert_eq!(node.wait_code(PATIENCE), 0);
    assert!(path.exists(), "the file is the manager's");
}

#[test]
fn a_socket_that_is_nobodys_or_not_fit_is_refused_with_64() {
    let (tcp, udp) = (socket::listen(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let at = socket::address(&tcp);
    let client = socket::connect(at);
    let served = socket::accept(&tcp);
    let file = fs::File::open("/dev/null").unwrap();
    let here = connect("rdp", &at.to_string(), 9);
    let elsewhere = connect("rdp", "127.0.0.1:0", 9);
    let directory = Home::new();
    let path = directory.path().join("db.sock");
    let unix = UnixListener::bind(&path).unwrap();
    let place = format!("unix:{}", path.display());
    let opened = connect("db", &place, 9) + "mode = '0666'\n";
    let expose = "[[expose]]\nname = 'ssh'\nlisten = 22\ntarget = '127.0.0.1:22'\n";
    let cases: [(&str, &dyn AsFd, String, &str); 7] = [
        ("a", &unix, opened, "SocketMode="),
        (
            "a",
            &tcp,
            elsewhere.clone(),
            "no connect listens on the socket",
        ),
        ("rdp", &udp, here.clone(), "which has its name"),
        (
            "ssh",
            &tcp,
            expose.to_owned() + &here,
            "would be the listener of",
        ),
        ("rdp", &served, here.clone(), "Accept=no"),
        ("rdp", &client, elsewhere, "Accept=no"),
        ("rdp", &file, here, "descriptor 3 (rdp)"),
    ];
    for (name, socket, text, said) in cases {
        let settings = Settings::bare();
        let file = settings.directory().write_secret("tailport.toml", &text);
        let mut node = spawn(settings.set("TS_CONFIG", file), &[(name, socket)]);
        assert_eq!(node.wait_code(PATIENCE), 64, "{said}");
        node.wait_for_log(said, |line| line.contains("ERROR {") && line.contains(said));
    }
}

#[test]
fn sockets_that_are_another_processs_are_left_alone() {
    let settings = Settings::on(tailnet()).expose(7000, "127.0.0.1:9");
    let settings = settings.set("LISTEN_PID", "1").set("LISTEN_FDS", "1");
    let mut node = settings.start(tailnet());
    node.terminate();
    assert_eq!(node.wait_code(PATIENCE), 0);
}
