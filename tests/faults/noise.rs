//! Random bytes at every port that the process listens on, on this machine and on
//! the tailnet: they are carried, or dropped, and nothing else happens.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::thread;

use crate::flow::Flow;
use crate::support::content::{self, MIB};
use crate::support::peer::Peer;
use crate::support::server::Server;
use crate::support::settings::Settings;
use crate::support::socket;
use crate::support::tailnet::Tailnet;
use crate::support::tailport::Tailport;

/// How much goes to each port.
const NOISE: u64 = 10 * MIB;

/// What fits into a datagram on any path.
const DATAGRAM: usize = 1200;

/// The state of a listening socket in /proc/net/tcp, and of a UDP socket that is
/// not connected.
const LISTENING: [(&str, &str); 4] = [("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")];

/// Every port that a process itself listens on, and whether it is TCP.
fn ports(pid: u32) -> BTreeSet<(bool, u16)> {
    let own: BTreeSet<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
        .filter_map(|link| {
            Some(
                link.to_str()?
                    .strip_prefix("socket:[")?
                    .strip_suffix(']')?
                    .to_owned(),
            )
        })
        .collect();
    let mut ports = BTreeSet::new();
    for (table, state) in LISTENING {
        // A machine may be without IPv6.
        let text = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        for line in text.lines().skip(1) {
            let fields: Vec<_> = line.split_whitespace().collect();
            let port = fields[1].rsplit(':').next().unwrap();
            if fields[3] == state && own.contains(fields[9]) {
                ports.insert((
                    table.starts_with("tcp"),
                    u16::from_str_radix(port, 16).unwrap(),
                ));
            }
        }
    }
    ports
}

/// Where the library itself listens on the tailnet.
#[track_caller]
fn library_port(node: &Tailport) -> SocketAddr {
    let line = node.wait_for_text("peerapi: serving on http://100.");
    let from = line.find("100.").unwrap();
    let at: String = line[from..]
        .chars()
        .take_while(|c| c.is_ascii_digit() || ".:".contains(*c))
        .collect();
    at.parse().unwrap()
}

/// Sends it all, or until the other side has had enough.
fn shout(mut stream: TcpStream) {
    let _ = content::send(&mut stream, NOISE, 4);
    let _ = stream.shutdown(Shutdown::Write);
    let _ = socket::end_of(&mut stream);
}

fn shout_datagrams(to: SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut random = fastrand::Rng::with_seed(5);
    let mut datagram = [0; DATAGRAM];
    for _ in 0..NOISE / DATAGRAM as u64 {
        random.fill(&mut datagram);
        let _ = socket.send_to(&datagram, to);
    }
}

#[test]
fn random_bytes_at_every_port_harm_nobody() {
    let tailnet = Tailnet::start();
    let peer = Peer::start(&tailnet);
    let (live, hashing) = (socket::listen(), Server::hashing());
    let inside = peer.listen(7002, hashing.address());
    let mut node = Settings::on(&tailnet)
        .set("TS_LOG", "debug")
        .expose(7000, live.local_addr().unwrap())
        .expose(7001, hashing.address())
        .connect(SocketAddr::new(peer.address(), 7002))
        .start(&tailnet);
    peer.greet(node.address());
    let mut flow = Flow::of((peer.dial(node.at(7000)), socket::accept(&live)));
    flow.talks();

    let ports = ports(node.pid());
    let local = node.local();
    assert!(ports.contains(&(true, local.port())), "{ports:?}");
    assert!(
        ports.iter().any(|(tcp, _)| !tcp),
        "WireGuard's is among them: {ports:?}"
    );
    thread::scope(|scope| {
        for (tcp, port) in ports {
            let at = SocketAddr::new(local.ip(), port);
            match tcp {
                // One that takes IPv6 only is out of reach, and of no interest.
                true => scope.spawn(move || TcpStream::connect(at).map_or((), shout)),
                false => scope.spawn(move || shout_datagrams(at)),
            };
        }
        let (peer, node) = (&peer, &node);
        for at in [node.at(7001), library_port(node)] {
            scope.spawn(move || shout(peer.dial(at)));
        }
        for _ in 0..10 {
            flow.talks();
        }
    });
    assert!(node.has_ended().is_none());
    flow.talks();
    carries(&node, &peer);
    drop(inside);
}

/// The same bytes arrive whole where they are meant for somebody.
#[track_caller]
fn carries(node: &Tailport, peer: &Peer) {
    for mut stream in [socket::connect(node.local()), peer.dial(node.at(7001))] {
        let sent = content::send(&mut stream, NOISE, 4).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        std::io::Read::read_to_end(&mut stream, &mut answer).unwrap();
        let mut expected = Vec::new();
        writeln!(expected, "{} {}", sent.length, sent.hash).unwrap();
        assert_eq!(answer, expected);
    }
}
