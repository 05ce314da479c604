//! Each contestant once, with bytes there and back, before anything is measured:
//! `cargo bench --bench bench -- others`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::contestant::Contestant;
use super::kind::{Kind, binary_size};
use super::support::peer::Peer;
use super::support::server::Server;
use super::support::socket;
use super::support::tailnet::Tailnet;

/// The port on the tailnet.
const PORT: u16 = 7000;

/// Starts each, one after the other, and prints a line about it.
pub(crate) fn run() {
    let tailnet = Tailnet::start();
    let peer = Peer::start(&tailnet);
    let echo = Server::echo();
    for kind in Kind::EXPOSING {
        let contestant = Contestant::expose(kind, &tailnet, PORT, echo.address());
        peer.greet(contestant.node());
        says_back(peer.dial(contestant.address()));
        tell("expose", kind, &contestant);
    }
    let _listening = peer.listen(PORT, echo.address());
    for kind in Kind::CONNECTING {
        let to = SocketAddr::new(peer.address(), PORT);
        let contestant = Contestant::connect(kind, &tailnet, to);
        peer.greet(contestant.node());
        says_back(socket::connect(contestant.address()));
        tell("connect", kind, &contestant);
    }
}

fn says_back(mut stream: TcpStream) {
    let mut answer = [0; 4];
    stream.write_all(b"ping").expect("it takes bytes");
    stream.read_exact(&mut answer).expect("it gives them back");
    assert_eq!(&answer, b"ping");
}

fn tell(side: &str, kind: Kind, contestant: &Contestant) {
    println!(
        "{side} {}: process {}, dialed at {}, ready after {:?}, reachable after {:?}, {} bytes of program",
        contestant.name(),
        contestant.pid(),
        contestant.address(),
        contestant.ready_after(),
        contestant.reachable_after(),
        binary_size(kind)
    );
}
