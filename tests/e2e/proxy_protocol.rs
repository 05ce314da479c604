//! The PROXY protocol: a target is told who connects before it is sent anything else.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use ppp::{v1, v2};

use crate::stage;
use crate::support::settings::Settings;
use crate::support::socket;
use crate::support::tailport::Tailport;

/// What a header of version 2 has before its length is known.
const HEAD: usize = 16;

/// Settings with a file; the log is in JSON.
fn from_file(text: &str) -> Settings {
    let settings = stage::settings().set("TS_LOG_FORMAT", "json");
    let file = settings.directory().write_secret("tailport.toml", text);
    settings.arguments(&["--config", file.to_str().expect("UTF-8")])
}

fn expose(port: u16, target: impl std::fmt::Display, version: &str) -> String {
    format!("[[expose]]\nlisten = {port}\ntarget = '{target}'\nproxy_protocol = '{version}'\n")
}

/// Where the connection came from that has ended at a forward.
#[track_caller]
fn peer_of(node: &Tailport, forward: &str) -> SocketAddr {
    let closing = node.wait_for_closing(|line| line["forward"] == forward);
    let peer = closing["peer"].as_str().expect("an address");
    peer.parse().expect("an address")
}

/// The line that a target is sent first; the client says nothing before.
#[track_caller]
fn line(served: &mut TcpStream) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        assert!(line.len() < 107, "no line of version 1: {line:?}");
        let mut byte = [0];
        served.read_exact(&mut byte).expect("a header");
        line.push(byte[0]);
    }
    String::from_utf8(line).expect("text")
}

/// Bytes after the header are the client's and the target's own.
#[track_caller]
fn talks(client: &mut TcpStream, served: &mut TcpStream) {
    for (from, to) in [(&*client, &*served), (&*served, &*client)] {
        let (mut from, mut to, mut got) = (from, to, [0; 5]);
        from.write_all(b"hello").expect("sending");
        to.read_exact(&mut got).expect("being sent something");
        assert_eq!(&got, b"hello");
    }
}

#[test]
fn version_1_tells_the_address_on_the_tailnet_before_the_client_says_anything() {
    let target = socket::listen();
    let node = stage::start(&from_file(&expose(7001, socket::address(&target), "v1")));
    let v6 = *node.ready().addresses.last().expect("an IPv6 address");
    for to in [node.at(7001), SocketAddr::new(v6, 7001)] {
        let mark = node.stderr().mark();
        let mut client = stage::peer().dial(to);
        let mut served = socket::accept(&target);
        let text = line(&mut served);
        talks(&mut client, &mut served);
        drop((client, served));
        let closing = node.wait_for_closing_from(mark, |_| true);
        let peer = closing["peer"].as_str().and_then(|peer| peer.parse().ok());
        let header = v1::Header::try_from(text.as_str()).expect("a header");
        let (from, at) = match header.addresses {
            v1::Addresses::Tcp4(a) => (
                SocketAddr::from((a.source_address, a.source_port)),
                SocketAddr::from((a.destination_address, a.destination_port)),
            ),
            v1::Addresses::Tcp6(a) => (
                SocketAddr::from((a.source_address, a.source_port)),
                SocketAddr::from((a.destination_address, a.destination_port)),
            ),
            v1::Addresses::Unknown => panic!("{text:?}"),
        };
        assert_eq!((Some(from), at), (peer, to), "{text:?}");
        assert_eq!(from.is_ipv4(), to.is_ipv4());
        assert!(to.is_ipv6() || from.ip() == stage::peer().address());
    }
}

#[test]
fn version_2_tells_the_address_the_user_and_the_node() {
    let target = socket::listen();
    let node = stage::start(&from_file(&expose(7002, socket::address(&target), "v2")));
    let mut client = stage::peer().dial(node.at(7002));
    let mut served = socket::accept(&target);
    let mut header = vec![0; HEAD];
    served.read_exact(&mut header).expect("a header's head");
    let length = usize::from(u16::from_be_bytes([header[HEAD - 2], header[HEAD - 1]]));
    header.resize(HEAD + length, 0);
    served.read_exact(&mut header[HEAD..]).expect("a header");
    talks(&mut client, &mut served);
    drop((client, served));

    let closing = node.wait_for_closing(|line| line["forward"] == "expose 7002/tcp");
    let parsed = v2::Header::try_from(header.as_slice()).expect("a header");
    let v2::Addresses::IPv4(told) = parsed.addresses else {
        panic!("{parsed:?}");
    };
    let from = SocketAddr::from((told.source_address, told.source_port));
    assert_eq!(from, peer_of(&node, "expose 7002/tcp"));
    assert_eq!(from.ip(), stage::peer().address());
    let at = SocketAddr::from((told.destination_address, told.destination_port));
    assert_eq!(at, node.at(7002));
    let entries: Vec<_> = parsed
        .tlvs()
        .map(|entry| entry.expect("an entry"))
        .collect();
    let value = |kind| {
        let entry = entries.iter().find(|entry| entry.kind == kind);
        entry.map(|entry| String::from_utf8_lossy(&entry.value).into_owned())
    };
    assert_eq!(value(0xe0).as_deref(), closing["user"].as_str());
    assert_eq!(value(0xe1).as_deref(), closing["node"].as_str());
    assert!(value(0xe0).is_some_and(|user| user.contains('@')));
    assert!(value(0xe1).is_some_and(|node| !node.is_empty()));
}

#[test]
fn a_connect_tells_the_local_client_to_the_host_of_the_tailnet() {
    let target = socket::listen();
    let port = stage::peer_port();
    let _listening = stage::peer().listen(port, socket::address(&target));
    let to = SocketAddr::new(stage::peer().address(), port);
    let node = stage::start(&from_file(&format!(
        "[[connect]]\nlisten = 0\ntarget = '{to}'\nproxy_protocol = 'v1'"
    )));
    let mut client = socket::connect(node.local());
    let mut served = socket::accept(&target);
    let from = client.local_addr().expect("an address");
    let wanted = format!(
        "PROXY TCP4 {} {} {} {}\r\n",
        from.ip(),
        node.local().ip(),
        from.port(),
        node.local().port()
    );
    assert_eq!(line(&mut served), wanted);
    talks(&mut client, &mut served);
}
