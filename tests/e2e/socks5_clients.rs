//! SOCKS5 from outside: curl and plain sockets reach hosts of the tailnet through
//! the proxy, and nothing beyond it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use crate::stage;
use crate::support::content::{self, MIB};
use crate::support::patience::{PATIENCE, eventually_some};
use crate::support::peer::Listening;
use crate::support::server::Server;
use crate::support::settings::Settings;
use crate::support::socket;
use crate::support::tailport::Tailport;

/// The stock peer's name on the tailnet.
const PEER: &str = "peer";

/// What curl ends with when the proxy does not lead it there.
const CURL_PROXY: i32 = 97;

const SUCCEEDED: u8 = 0;
const NOT_ALLOWED: u8 = 2;
const REFUSED: u8 = 5;

/// A node that does nothing but speak SOCKS5.
fn settings() -> Settings {
    stage::settings()
        .set("TS_SOCKS5_ADDR", "127.0.0.1:0")
        .set("TS_LOG_FORMAT", "json")
}

/// One for all tests that leave it as it is.
pub(crate) fn proxy() -> &'static Tailport {
    static PROXY: OnceLock<Tailport> = OnceLock::new();
    PROXY.get_or_init(|| stage::start(&settings()))
}

/// Where a node speaks SOCKS5.
pub(crate) fn at(node: &Tailport) -> SocketAddr {
    let forwards = &node.ready().forwards;
    let socks5 = forwards.iter().find(|forward| forward.kind == "socks5");
    let listen = &socks5.expect("the READY line tells where").listen;
    listen.parse().expect("an address")
}

/// A server of this machine behind a port of the peer.
fn behind_peer(server: &Server) -> (Listening, SocketAddr) {
    let port = stage::peer_port();
    let listening = stage::peer().listen(port, server.address());
    (listening, SocketAddr::new(stage::peer().address(), port))
}

/// Asks to be led to a host by its name: the stream, and the reply's number.
fn asked(proxy: SocketAddr, host: &str, port: u16) -> io::Result<(TcpStream, u8)> {
    let mut stream = socket::try_connect(proxy)?;
    let length = u8::try_from(host.len()).expect("a short name");
    let mut words = vec![5, 1, 0, 5, 1, 0, 3, length];
    words.extend_from_slice(host.as_bytes());
    words.extend_from_slice(&port.to_be_bytes());
    stream.write_all(&words)?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    assert_eq!(answer[..3], [5, 0, 5], "{answer:?}");
    Ok((stream, answer[3]))
}

#[track_caller]
fn led(proxy: SocketAddr, to: SocketAddr) -> TcpStream {
    let (stream, reply) = asked(proxy, &to.ip().to_string(), to.port()).expect("an answer");
    assert_eq!(reply, SUCCEEDED);
    stream
}

fn curl(proxy: SocketAddr, host: impl std::fmt::Display, port: u16) -> Output {
    Command::new("curl")
        .env_clear()
        .args(["-q", "--silent", "--max-time", "60"])
        .args(["--socks5-hostname", &proxy.to_string()])
        .arg(format!("http://{host}:{port}/"))
        .stdin(Stdio::null())
        .output()
        .expect("this test needs curl: install the package curl")
}

#[test]
fn curl_reaches_a_peer_by_name_and_by_address() {
    let (node, web) = (proxy(), Server::web());
    let (_listening, to) = behind_peer(&web);
    let full = stage::tailnet().node(PEER).expect("the peer").dns_name;
    for host in [PEER, &full, &to.ip().to_string()] {
        let output = curl(at(node), host, to.port());
        assert!(output.status.success(), "{host}: {output:?}");
        assert_eq!(output.stdout, b"hello\n", "{host}");
        let target = format!("{host}:{}", to.port());
        let line = node.wait_for_closing(|line| line["target"] == target.as_str());
        assert_eq!(line["ended"], "clean", "{line}");
        assert_eq!(line["forward"], format!("socks5 {}", at(node)), "{line}");
    }
    assert_eq!(web.total(), 3, "connections at the target");
}

#[test]
fn a_destination_outside_the_tailnet_is_refused_and_never_reached() {
    let (node, outside) = (proxy(), socket::listen());
    let port = socket::address(&outside).port();
    let (_, reply) = asked(at(node), "127.0.0.1", port).expect("an answer");
    assert_eq!(reply, NOT_ALLOWED);
    for host in ["localhost", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]"] {
        let output = curl(at(node), host, port);
        assert_eq!(output.status.code(), Some(CURL_PROXY), "{host}: {output:?}");
    }
    assert!(socket::accept_now(&outside).is_none(), "it was reached");
    let target = format!("127.0.0.1:{port}");
    let line = node.wait_for_closing(|line| line["target"] == target.as_str());
    assert_eq!(line["ended"], "dial_failed", "{line}");
}

#[test]
fn a_port_of_a_peer_where_nobody_listens_is_told_as_refused() {
    let port = stage::peer_port();
    let (mut stream, reply) = asked(at(proxy()), PEER, port).expect("an answer");
    assert_eq!(reply, REFUSED);
    let end = socket::end_of(&mut stream);
    assert!(socket::is_closed(&end), "{end:?}");
}

#[test]
fn a_client_that_ends_first_still_gets_its_answer() {
    let (node, hashing) = (proxy(), Server::hashing());
    let (_listening, to) = behind_peer(&hashing);
    let mut client = led(at(node), to);
    let sent = content::send(&mut client, MIB, 7).expect("sending");
    client.shutdown(Shutdown::Write).expect("half-closing");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("a clean end");
    assert_eq!(answer, format!("{} {}\n", sent.length, sent.hash));
    let target = to.to_string();
    let line = node.wait_for_closing(|line| line["target"] == target.as_str());
    assert_eq!(line["ended"], "clean", "{line}");
    assert_eq!(line["to_target"], MIB, "{line}");
    assert_eq!(line["to_peer"], answer.len(), "{line}");
}

#[test]
fn a_destination_that_ends_first_still_hears_the_client() {
    let (node, sending) = (proxy(), Server::sending(MIB, 8));
    let (_listening, to) = behind_peer(&sending);
    let mut client = led(at(node), to);
    let got = content::receive(&mut client).expect("a clean end");
    assert_eq!(got, content::expected(MIB, 8));
    content::send(&mut client, MIB, 9).expect("the way there is open");
    client.shutdown(Shutdown::Write).expect("half-closing");
    let target = to.to_string();
    let line = node.wait_for_closing(|line| line["target"] == target.as_str());
    assert_eq!(line["ended"], "clean", "{line}");
    assert_eq!(line["to_target"], MIB, "{line}");
    assert_eq!(line["to_peer"], MIB, "{line}");
}

#[test]
fn clients_count_towards_the_cap_and_give_their_slots_back() {
    let echo = Server::echo();
    let (_listening, to) = behind_peer(&echo);
    let node = stage::start(&settings().set("TS_MAX_CONNECTIONS", "2"));
    let first = led(at(&node), to);
    // A client that has said nothing yet has its slot as well; the answer to its
    // hello says that it does.
    let mut silent = socket::connect(at(&node));
    silent.write_all(&[5, 1, 0]).expect("writing");
    silent.read_exact(&mut [0; 2]).expect("an answer");
    let over = asked(at(&node), PEER, to.port());
    assert!(over.is_err(), "a third client was served");
    drop(first);
    let host = to.ip().to_string();
    let (mut again, reply) = eventually_some("a slot is free again", PATIENCE, || {
        asked(at(&node), &host, to.port()).ok()
    });
    assert_eq!(reply, SUCCEEDED);
    again.write_all(b"?").expect("writing");
    again.read_exact(&mut [0]).expect("an echo");
}
