//! The SOCKS5 proxy of the built program: by it clients reach every host of the
//! tailnet, and nothing else.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use crate::stage;
use crate::support::content::{self, MIB};
use crate::support::server::Server;
use crate::support::settings::Settings;
use crate::support::socket;

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
    let mut told = proxying.ready().forwards.iter();
    let socks5 = told.find(|forward| forward.kind == "socks5");
    let proxy = socks5.expect("a SOCKS5 proxy").listen.parse();
    let proxy: SocketAddr = proxy.expect("an address");

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
