//! HAProxy behind expose, told by the PROXY protocol who connects: what it takes
//! for the source is the peer on the tailnet, not this machine.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::io::{FdFlags, fcntl_setfd};

use crate::support::child::Child;
use crate::support::home::Home;
use crate::support::settings::Settings;
use crate::support::shared::{peer, tailnet};
use crate::support::socket;
use crate::support::tailport::Tailport;
use crate::support::unpacked;

/// Takes connections only with a header, and answers each request by what it made
/// of the header.
const CONFIGURATION: &str = r#"
defaults
    mode http
    timeout connect 20s
    timeout client 20s
    timeout server 20s
frontend door
    bind "fd@${DOOR}" accept-proxy
    http-request return status 200 content-type text/plain lf-string "%[fc_rcvd_proxy] %[src] %[src_port] %[dst] %[dst_port]"
"#;

/// What HAProxy knows of a connection.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    told: bool,
    source: SocketAddr,
    destination: SocketAddr,
}

/// Starts it; it listens on the socket that it inherits.
fn start(home: &Home, door: TcpListener) -> Child {
    let configuration = home.path().join("haproxy.cfg");
    fs::write(&configuration, CONFIGURATION).unwrap();
    let door = OwnedFd::from(door);
    fcntl_setfd(&door, FdFlags::empty()).expect("having a socket inherited");
    let mut command = unpacked::program("usr/sbin/haproxy");
    command.env("DOOR", door.as_raw_fd().to_string());
    // In the foreground, and one process.
    command.args(["-db", "-f"]).arg(configuration);
    Child::start("haproxy", &mut command)
}

/// Sends a request and reads the answer to its end; empty when there is none.
fn asked(mut stream: impl Read + Write) -> String {
    let mut answer = String::new();
    let _ = stream.write_all(b"GET / HTTP/1.0\r\n\r\n");
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[track_caller]
fn seen(answer: &str) -> Seen {
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    assert!(head.contains(" 200 "), "{answer}");
    let words: Vec<_> = body.split_whitespace().collect();
    let [told, source, source_port, destination, destination_port] = words[..] else {
        panic!("{answer}");
    };
    let address = |host: &str, port: &str| {
        let host: IpAddr = host.parse().expect("an address");
        SocketAddr::new(host, port.parse().expect("a port"))
    };
    Seen {
        told: told == "1",
        source: address(source, source_port),
        destination: address(destination, destination_port),
    }
}

/// A node with a forward to the door in each version of the header, and none.
fn exposing(door: SocketAddr) -> Tailport {
    let settings = Settings::on(tailnet()).set("TS_LOG_FORMAT", "json");
    let file = settings.directory().write_secret(
        "haproxy.toml",
        &format!(
            r#"
            [[expose]]
            listen = 7001
            target = "{door}"
            proxy_protocol = "v1"
            [[expose]]
            listen = 7002
            target = "{door}"
            proxy_protocol = "v2"
            [[expose]]
            listen = 7003
            target = "{door}"
            "#
        ),
    );
    peer();
    let node = settings.set("TS_CONFIG", file).start(tailnet());
    peer().greet(node.address());
    node
}

#[test]
#[ignore = "needs haproxy: make interop"]
fn haproxy_sees_the_peer_on_the_tailnet_in_both_versions() {
    let home = Home::new();
    let door = socket::listen();
    let at = socket::address(&door);
    let mut haproxy = start(&home, door);
    let node = exposing(at);
    for (port, forward) in [(7001, "expose 7001/tcp"), (7002, "expose 7002/tcp")] {
        for host in node.ready().addresses.clone() {
            let mark = node.stderr().mark();
            let to = SocketAddr::new(host, port);
            let seen = seen(&asked(peer().dial(to)));
            let line = node.wait_for_closing_from(mark, |line| line["forward"] == forward);
            let from = line["peer"].as_str().expect("an address");
            let expected = Seen {
                told: true,
                source: from.parse().expect("an address"),
                destination: to,
            };
            assert_eq!(seen, expected, "{forward}");
            if host.is_ipv4() {
                assert_eq!(seen.source.ip(), peer().address());
            }
        }
    }
    // It was the header that told it: without one nobody is let in.
    let answer = asked(peer().dial(node.at(7003)));
    assert!(!answer.contains(" 200 "), "{answer}");
    assert_eq!(haproxy.has_ended(), None, "haproxy has ended");
}
