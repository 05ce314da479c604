//! What a target reads before the first byte, by somebody else's parser.

use std::{net::SocketAddr, time::Duration};

use ppp::{v1, v2};
use proptest::prelude::*;
use tailport::{
    proxy::{
        endpoint::{Dial, DialErrorKind},
        gate::{Admission, Denied, Gate},
        kernel::{Access, UnixListener},
        origin::{Identity, Origin},
        peer::Peer,
        proxy_protocol::{Announced, TLV_NODE, TLV_USER, Version},
        target::{LocalTarget, UnixTarget},
    },
    telemetry::metrics::Ended,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixStream},
};

use crate::{
    scripted::Scripted,
    serving::{kernel_target, listener, serve, serve_through},
    support::{drain, nobody},
};

fn origin(peer: &str, local: &str) -> Origin {
    Origin {
        local: Some(local.parse().unwrap()),
        ..Origin::from(Peer::Address(peer.parse().unwrap()))
    }
}

#[test]
fn version_1_is_one_line() {
    for (peer, local, line) in [
        (
            "100.64.0.1:50000",
            "100.64.0.2:22",
            "PROXY TCP4 100.64.0.1 100.64.0.2 50000 22\r\n",
        ),
        (
            "[fd7a::1]:1",
            "[fd7a::2]:65535",
            "PROXY TCP6 fd7a::1 fd7a::2 1 65535\r\n",
        ),
        (
            "[::ffff:10.0.0.1]:1",
            "[::ffff:10.0.0.2]:2",
            "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n",
        ),
        (
            "10.0.0.1:1",
            "[fd7a::2]:2",
            "PROXY TCP6 ::ffff:10.0.0.1 fd7a::2 1 2\r\n",
        ),
    ] {
        let header = Version::One.header(&origin(peer, local));
        assert_eq!(String::from_utf8(header).unwrap(), line);
    }
}

#[test]
fn a_peer_without_an_address_is_unknown_or_local() {
    assert_eq!(Version::One.header(&nobody()), b"PROXY UNKNOWN\r\n");
    let header = Version::Two.header(&nobody());
    assert_eq!(header, b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0");
    let no_local = Origin::from(Peer::Address("10.0.0.1:1".parse().unwrap()));
    assert_eq!(Version::Two.header(&no_local), header);
}

#[test]
fn version_2_is_what_the_specification_draws() {
    let mut origin = origin("1.2.3.4:258", "5.6.7.8:772");
    origin.identity.user = "me".into();
    let expected = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x11\x01\x02\x03\x04\x05\x06\x07\x08\x01\x02\x03\x04\xe0\x00\x02me";
    assert_eq!(Version::Two.header(&origin), expected);
}

#[test]
fn an_entry_that_is_too_long_is_left_out_whole() {
    let mut origin = origin("1.2.3.4:1", "5.6.7.8:2");
    let plain = Version::Two.header(&origin);
    origin.identity.user = "x".repeat(256);
    assert_eq!(Version::Two.header(&origin), plain);
    origin.identity.user = "x".repeat(255);
    assert_eq!(Version::Two.header(&origin).len(), plain.len() + 3 + 255);
}

fn mapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        std::net::IpAddr::V4(ip) => (ip.to_ipv6_mapped(), address.port()).into(),
        std::net::IpAddr::V6(_) => address,
    }
}

/// The two addresses as a parser that tells families apart reads them.
fn read(from: SocketAddr, to: SocketAddr) -> v2::Addresses {
    let canonical =
        |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    match (canonical(from), canonical(to)) {
        (from, to) if from.is_ipv4() == to.is_ipv4() => (from, to).into(),
        (from, to) => (mapped(from), mapped(to)).into(),
    }
}

proptest! {
    #[test]
    fn what_is_written_is_what_is_read(
        from: SocketAddr,
        to: SocketAddr,
        user in "\\PC{0,300}",
        node in "[a-z0-9-]{0,80}",
    ) {
        let mut origin = Origin { local: Some(to), ..Origin::from(Peer::Address(from)) };
        origin.identity = Identity { user: user.clone(), node: node.clone(), tags: vec![] };

        let header = Version::Two.header(&origin);
        let decoded = v2::Header::try_from(header.as_slice()).unwrap();
        prop_assert_eq!(decoded.len(), header.len());
        prop_assert_eq!(decoded.command, v2::Command::Proxy);
        prop_assert_eq!(decoded.protocol, v2::Protocol::Stream);
        prop_assert_eq!(decoded.addresses, read(from, to));
        let entries: Vec<(u8, Vec<u8>)> = decoded
            .tlvs()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.kind, entry.value.to_vec()))
            .collect();
        let expected: Vec<_> = [(TLV_USER, user), (TLV_NODE, node)]
            .into_iter()
            .filter(|(_, value)| (1..=255).contains(&value.len()))
            .map(|(kind, value)| (kind, value.into_bytes()))
            .collect();
        prop_assert_eq!(entries, expected);

        let header = Version::One.header(&origin);
        prop_assert!(header.len() <= 107);
        let decoded = v1::Header::try_from(header.as_slice()).unwrap();
        let again = match decoded.addresses {
            v1::Addresses::Tcp4(ends) => v2::Addresses::IPv4(ends),
            v1::Addresses::Tcp6(ends) => v2::Addresses::IPv6(ends),
            v1::Addresses::Unknown => v2::Addresses::Unspecified,
        };
        prop_assert_eq!(again, read(from, to));
    }
}

/// A gate that knows everyone.
struct Knows;

impl Gate for Knows {
    async fn admit(&self, _: &Peer) -> Result<Admission, Denied> {
        Ok(Admission::from(Identity {
            user: "alice@example.com".into(),
            node: "laptop".into(),
            tags: vec![],
        }))
    }
}

#[tokio::test]
async fn the_header_comes_before_the_peers_first_byte() {
    for version in [Version::One, Version::Two] {
        let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let announced = Announced::new(kernel_target(target.local_addr().unwrap()), Some(version));
        assert_eq!(
            announced.to_string(),
            target.local_addr().unwrap().to_string()
        );
        let (address, accept) = listener().await;
        let serving = serve_through(Knows, address, accept, announced, 1);
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"hello").await.unwrap();
        let peer = client.local_addr().unwrap();
        let (mut stream, _) = target.accept().await.unwrap();
        client.shutdown().await.unwrap();
        let got = drain(&mut stream).await.0;
        stream.shutdown().await.unwrap();

        let mut expected = origin(&peer.to_string(), &address.to_string());
        expected.identity = Knows.admit(&expected.peer).await.unwrap().identity;
        assert_eq!(got, [version.header(&expected), b"hello".to_vec()].concat());
        drop((client, stream));
        let counts = serving.finish().await.snapshot();
        assert_eq!((counts.ended(Ended::Clean), counts.to_target), (1, 5));
    }
}

#[tokio::test]
async fn a_client_of_a_unix_socket_is_announced_without_an_address() {
    let dir = tempfile::tempdir().unwrap();
    let (front, back) = (dir.path().join("front"), dir.path().join("back"));
    let app = tokio::net::UnixListener::bind(&back).unwrap();
    let accept = UnixListener::bind(&front, Access::default()).await.unwrap();
    let target = Announced::new(
        LocalTarget::from(UnixTarget::new(&back)),
        Some(Version::One),
    );
    let serving = serve(([127, 0, 0, 1], 0).into(), accept, target, 1);
    let client = UnixStream::connect(&front).await.unwrap();
    let (mut stream, _) = app.accept().await.unwrap();
    let mut got = [0; 15];
    stream.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"PROXY UNKNOWN\r\n");
    drop((client, stream));
    serving.finish().await;
}

#[tokio::test]
async fn a_header_that_cannot_be_written_is_a_failed_dial() {
    let gone = Scripted::new(Duration::ZERO, |_| None);
    let target = Announced::new(gone, Some(Version::Two));
    let Err(error) = target.dial(&nobody(), Duration::from_secs(5)).await else {
        panic!("dialed");
    };
    assert_eq!(error.kind, DialErrorKind::Reset, "{error}");
    assert!(error.to_string().contains("PROXY header"), "{error}");
}
