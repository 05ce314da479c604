//! A peer in userspace mode, both ways, by a line and its echo. More than that is
//! not asked: what joins its programs to its stack does not carry half-close.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::thread;

use crate::stranger::SOCKS5;
use crate::support::socket;
use crate::world;

const LINE: &str = "a line there and back\n";

#[test]
#[ignore = "needs root and network namespaces: make interop"]
fn a_userspace_peer_reaches_expose_by_nc_and_socks() {
    let world = world::turn();
    let target = world.ours.enter(socket::listen);
    let behind = target.local_addr().unwrap();
    let node = world.start(&world.settings().expose(7000, behind));
    let peer = &world.userspace;
    peer.wait_direct(node.address());

    let mut nc = peer
        .cli(&["nc", &node.address().to_string(), "7000"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starting tailscale nc");
    let echo = echo_one(&target);
    let mut input = nc.stdin.take().unwrap();
    input.write_all(LINE.as_bytes()).unwrap();
    let mut answer = String::new();
    BufReader::new(nc.stdout.take().unwrap())
        .read_line(&mut answer)
        .unwrap();
    assert_eq!(answer, LINE);
    drop(input);
    echo.join().unwrap();
    nc.wait().unwrap();

    let proxy: SocketAddr = SOCKS5.parse().unwrap();
    let mut client = peer.host.enter(|| socket::connect(proxy));
    let echo = echo_one(&target);
    ask_socks(&mut client, node.at(7000));
    converse(client);
    echo.join().unwrap();
}

#[test]
#[ignore = "needs root and network namespaces: make interop"]
fn connect_reaches_a_userspace_peer_by_name_and_address() {
    let world = world::turn();
    let peer = &world.userspace;
    // Its stack leads what arrives to the same port of loopback.
    let target = peer.host.enter(socket::listen);
    let port = target.local_addr().unwrap().port();
    let settings = world
        .settings()
        .connect(format!("{}:{port}", peer.host.name()))
        .connect(SocketAddr::new(peer.v4(), port))
        .connect(SocketAddr::new(peer.v6(), port));
    let node = world.start(&settings);
    let local = node.ready().local();
    assert_eq!(local.len(), 3);
    for local in local {
        let client = world.ours.enter(|| socket::connect(local));
        let echo = echo_one(&target);
        converse(client);
        echo.join().unwrap();
    }
}

/// Accepts one connection and sends one line back.
fn echo_one(listener: &TcpListener) -> thread::JoinHandle<()> {
    let listener = listener.try_clone().unwrap();
    thread::spawn(move || {
        let mut stream = socket::accept(&listener);
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).unwrap();
        stream.write_all(line.as_bytes()).unwrap();
    })
}

fn converse(mut client: TcpStream) {
    client.write_all(LINE.as_bytes()).unwrap();
    let mut answer = vec![0; LINE.len()];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(answer, LINE.as_bytes());
}

/// Asks a SOCKS5 server without a login for a connection.
fn ask_socks(client: &mut TcpStream, to: SocketAddr) {
    let SocketAddr::V4(to) = to else {
        panic!("{to} is not IPv4");
    };
    client.write_all(&[5, 1, 0]).unwrap();
    let mut chosen = [0; 2];
    client.read_exact(&mut chosen).unwrap();
    assert_eq!(chosen, [5, 0], "the method without a login");
    let ip: Ipv4Addr = *to.ip();
    let mut request = vec![5, 1, 0, 1];
    request.extend(ip.octets());
    request.extend(to.port().to_be_bytes());
    client.write_all(&request).unwrap();
    let mut answer = [0; 10];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(answer[..2], [5, 0], "granted");
    assert_eq!(answer[3], 1, "an IPv4 address");
}
