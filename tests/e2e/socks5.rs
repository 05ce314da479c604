//! The SOCKS5 proxy of the built program: by it clients reach every host of the
//! tailnet, and nothing else.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use crate::stage;
use crate::support::content::{self, MIB};
use crate::support::patience::{PATIENCE, eventually};
use crate::support::server::Server;
use crate::support::settings::Settings;
use crate::support::socket;
use crate::support::tailport::Tailport;

/// A port that no node of these tests listens on.
const CLOSED: u16 = 7999;

/// Asks to be led to a host, by name or address as text: the stream, and the
/// reply's code.
#[track_caller]
fn ask(proxy: SocketAddr, host: &str, port: u16) -> (TcpStream, u8) {
    let mut client = socket::connect(proxy);
    let mut said = vec![5, 1, 0, 5, 1, 0, 3];
    said.push(u8::try_from(host.len()).expect("a short name"));
    said.extend_from_slice(host.as_bytes());
    said.extend_from_slice(&port.to_be_bytes());
    client.write_all(&said).expect("asking");
    let mut answers = [0; 12];
    client.read_exact(&mut answers).expect("two answers");
    assert_eq!(answers[..3], [5, 0, 5]);
    (client, answers[3])
}

/// Where a node's SOCKS5 proxy listens.
#[track_caller]
fn proxy_of(node: &Tailport) -> SocketAddr {
    let mut told = node.ready().forwards.iter();
    let socks5 = told.find(|forward| forward.kind == "socks5");
    let proxy = socks5.expect("a SOCKS5 proxy").listen.parse();
    proxy.expect("an address")
}

#[test]
fn socks5_leads_to_hosts_of_the_tailnet_and_nowhere_else() {
    let target = socket::listen();
    let exposing = Settings::on(stage::tailnet())
        .expose(7000, socket::address(&target))
        .start(stage::tailnet());
    let proxying = Settings::on(stage::tailnet())
        .set("TS_SOCKS5_ADDR", "127.0.0.1:0")
        // The first one to be led may have to wait for the handshake.
        .set("TS_DIAL_TIMEOUT", "20s")
        .set("TS_LOG_FORMAT", "json")
        .start(stage::tailnet());
    let proxy = proxy_of(&proxying);
    let name = exposing.ready().hostname.clone();
    for host in [name.clone(), exposing.address().to_string()] {
        let (mut client, code) = ask(proxy, &host, 7000);
        assert_eq!(code, 0, "{host}: {}", proxying.log());
        let mut served = socket::accept(&target);
        let sent = content::send(&mut client, MIB, 1).expect("sending");
        client.shutdown(Shutdown::Write).expect("half-closing");
        let got = content::receive(&mut served).expect("an end of stream");
        assert_eq!(got, sent);
        let sent = content::send(&mut served, MIB, 2).expect("the way back is open");
        served.shutdown(Shutdown::Write).expect("half-closing");
        let got = content::receive(&mut client).expect("an end of stream");
        assert_eq!(got, sent);
        let line = proxying.wait_for_closing(|line| line["target"] == format!("{host}:7000"));
        assert_eq!(line["ended"], "clean", "{line}");
    }

    let (mut client, code) = ask(proxy, &name, CLOSED);
    assert_eq!(code, 5);
    assert!(matches!(socket::end_of(&mut client), Ok(0)));

    let local = Server::echo();
    let (host, port) = (local.address().ip().to_string(), local.address().port());
    let (mut client, code) = ask(proxy, &host, port);
    assert_eq!(code, 2);
    assert!(matches!(socket::end_of(&mut client), Ok(0)));
    let line = proxying.wait_for_closing(|line| line["target"] == format!("{host}:{port}"));
    assert_eq!(line["ended"], "dial_failed", "{line}");
    assert_eq!(local.total(), 0);
}

/// After how long a datagram counts as lost.
const LOST: Duration = Duration::from_secs(1);

fn udp_socket() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("binding to loopback");
    socket.set_read_timeout(Some(LOST)).expect("a timeout");
    socket
}

/// Answers every datagram with its own name before it, until the process ends.
fn answering(name: &'static [u8]) -> SocketAddr {
    let socket = udp_socket();
    let address = socket.local_addr().expect("an address");
    std::thread::spawn(move || {
        let mut buffer = vec![0; 65536];
        loop {
            if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let _ = socket.send_to(&[name, &buffer[..length]].concat(), from);
            }
        }
    });
    address
}

/// Asks for an association: its TCP connection, and where its datagrams go.
#[track_caller]
fn associate(proxy: SocketAddr) -> (TcpStream, SocketAddr) {
    let mut client = socket::connect(proxy);
    let said = [5, 1, 0, 5, 3, 0, 1, 0, 0, 0, 0, 0, 0];
    client.write_all(&said).expect("asking");
    let mut answers = [0; 12];
    client.read_exact(&mut answers).expect("two answers");
    assert_eq!(answers[..6], [5, 0, 5, 0, 0, 1]);
    let ip = <[u8; 4]>::try_from(&answers[6..10]).expect("four bytes");
    let port = u16::from_be_bytes([answers[10], answers[11]]);
    (client, SocketAddr::new(ip.into(), port))
}

/// The header of a datagram to a host, by name or address.
fn header(host: &str, port: u16) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0];
    match host.parse() {
        Ok(IpAddr::V4(v4)) => {
            bytes.push(1);
            bytes.extend_from_slice(&v4.octets());
        }
        Ok(IpAddr::V6(v6)) => {
            bytes.push(4);
            bytes.extend_from_slice(&v6.octets());
        }
        Err(_) => {
            bytes.extend_from_slice(&[3, u8::try_from(host.len()).expect("a short name")]);
            bytes.extend_from_slice(host.as_bytes());
        }
    }
    bytes.extend_from_slice(&port.to_be_bytes());
    bytes
}

/// Sends a question until its answer comes, under the same header.
#[track_caller]
fn answered(client: &UdpSocket, header: &[u8], question: &[u8], name: &[u8]) {
    let sent = [header, question].concat();
    let wanted = [header, name, question].concat();
    let mut heard = vec![0; 65536];
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        client.send(&sent).expect("sending");
        // Another question's answer may still be under way.
        while let Ok(length) = client.recv(&mut heard) {
            if heard[..length] == wanted {
                return;
            }
        }
    }
    panic!("no answer to {} bytes", question.len());
}

#[test]
fn socks5_carries_datagrams_of_its_client_to_hosts_of_the_tailnet_and_nowhere_else() {
    let targets = [answering(b"one:"), answering(b"two:")];
    let exposing = Settings::on(stage::tailnet())
        .set(
            "TS_EXPOSE",
            format!("7000/udp={},7001/udp={}", targets[0], targets[1]),
        )
        .start(stage::tailnet());
    let mut proxying = Settings::on(stage::tailnet())
        .set("TS_SOCKS5_ADDR", "127.0.0.1:0")
        .set("TS_DIAL_TIMEOUT", "20s")
        .set("TS_LOG_FORMAT", "json")
        .set("TS_LOG", "debug")
        .start(stage::tailnet());
    let proxy = proxy_of(&proxying);
    let (tcp, entry) = associate(proxy);
    assert_eq!(entry.ip(), proxy.ip());
    let client = udp_socket();
    client.connect(entry).expect("connecting");

    // By name, by IPv4 and by IPv6.
    let ready = exposing.ready();
    let addresses = ready.addresses.iter().map(ToString::to_string);
    for host in addresses.chain([ready.hostname.clone()]) {
        answered(&client, &header(&host, 7000), b"who?", b"one:");
    }
    // Two destinations at once: both are asked before either is heard.
    let ways = [7000, 7001].map(|port| header(&ready.hostname, port));
    answered(&client, &ways[1], b"who?", b"two:");
    for way in &ways {
        client.send(&[way, &b"both"[..]].concat()).expect("sending");
    }
    let mut heard = vec![0; 65536];
    let mut missing = vec![
        [&ways[0][..], b"one:both"].concat(),
        [&ways[1][..], b"two:both"].concat(),
    ];
    let start = Instant::now();
    while !missing.is_empty() {
        assert!(start.elapsed() < PATIENCE, "{missing:?}");
        if let Ok(length) = client.recv(&mut heard) {
            missing.retain(|wanted| *wanted != heard[..length]);
        }
    }

    // Other senders, and a destination of this machine itself.
    let local = udp_socket();
    let local_address = local.local_addr().expect("an address");
    let neighbour = udp_socket();
    let stranger = UdpSocket::bind("127.0.0.2:0").expect("binding to loopback");
    for other in [&neighbour, &stranger] {
        let datagram = [&ways[0][..], b"not mine"].concat();
        other.send_to(&datagram, entry).expect("sending");
    }
    let away = header(&local_address.ip().to_string(), local_address.port());
    client
        .send(&[&away[..], b"out?"].concat())
        .expect("sending");
    let line = proxying.wait_for_text("datagrams not carried");
    assert!(line.contains("not in the tailnet"), "{line}");
    // What came before this answer has been dealt with.
    answered(&client, &ways[0], b"last", b"one:");
    for other in [&neighbour, &stranger, &local] {
        other.set_nonblocking(true).expect("not blocking");
        let nothing = other.recv(&mut heard).expect_err("a datagram");
        assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    }

    // Its socket goes with its TCP connection.
    let peer = tcp.local_addr().expect("an address").to_string();
    drop(tcp);
    let line = proxying.wait_for_closing(|line| line["peer"] == peer);
    assert_eq!(line["ended"], "clean", "{line}");
    assert!(line["dropped"].as_u64() >= Some(1), "{line}");
    assert!(line["to_target"].as_u64() > line["to_target_datagrams"].as_u64());
    eventually("the port is free", PATIENCE, || {
        UdpSocket::bind(entry).is_ok()
    });

    // One that is there does not hold up the end.
    let (_tcp, entry) = associate(proxy);
    client.connect(entry).expect("connecting");
    answered(&client, &ways[0], b"again", b"one:");
    proxying.terminate();
    assert_eq!(proxying.wait_code(PATIENCE), 0);
}
