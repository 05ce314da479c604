//! UDP ASSOCIATE of SOCKS5: a client's datagrams go where they say, nobody else's do,
//! and all of it ends with its TCP connection.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tailport::{
    proxy::{
        destination::Destination,
        endpoint::Accept,
        gate::Open,
        kernel::{Access, KernelListener, UnixListener},
        socks::{Rules, SocksListener, SocksTarget},
    },
    telemetry::metrics::{Ended, Metrics},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket, UnixStream},
    time::{sleep, timeout},
};

use crate::{
    log,
    serving::{KEEPALIVE, Serving, kernel_target, listener, serve_until_idle},
    socks::{Names, login, reach},
    support::{PATIENCE, drain, is_reset, pattern},
};

/// Leads to this machine.
async fn socks(rules: Rules, idle: Duration, cap: usize) -> Serving {
    let (address, accept) = listener().await;
    socks_on(address, accept, rules, idle, cap)
}

fn socks_on(
    address: SocketAddr,
    accept: impl Accept,
    rules: Rules,
    idle: Duration,
    cap: usize,
) -> Serving {
    let names = Names::new();
    let accept = SocksListener::new(accept, rules, move |to: &Destination| names.udp(to));
    let dial = SocksTarget::new(move |_: &Destination| kernel_target(address));
    serve_until_idle(idle, Open, address, accept, dial, cap)
}

async fn plain(cap: usize) -> Serving {
    socks(Rules::default(), Duration::ZERO, cap).await
}

/// A client with its association.
struct Client {
    tcp: TcpStream,
    udp: UdpSocket,
}

/// The TCP connection of an association, and where its datagrams go; `from` is what
/// the client says of itself.
async fn associate(proxy: SocketAddr, from: SocketAddr) -> (TcpStream, SocketAddr) {
    let mut tcp = TcpStream::connect(proxy).await.unwrap();
    let said = [&[5, 1, 0, 5, 3][..], &header(from)[2..]].concat();
    tcp.write_all(&said).await.unwrap();
    let mut heard = [0; 6];
    tcp.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard[..5], [5, 0, 5, 0, 0]);
    let ip = if heard[5] == 1 {
        let mut v4 = [0; 4];
        tcp.read_exact(&mut v4).await.unwrap();
        IpAddr::from(v4)
    } else {
        let mut v6 = [0; 16];
        tcp.read_exact(&mut v6).await.unwrap();
        IpAddr::from(v6)
    };
    let port = tcp.read_u16().await.unwrap();
    (tcp, (ip, port).into())
}

impl Client {
    async fn new(proxy: SocketAddr) -> Self {
        let (tcp, entry) = associate(proxy, unknown()).await;
        assert_eq!(entry.ip(), proxy.ip());
        let udp = UdpSocket::bind((entry.ip(), 0)).await.unwrap();
        udp.connect(entry).await.unwrap();
        Self { tcp, udp }
    }

    async fn send(&self, header: &[u8], content: &[u8]) {
        let datagram = [header, content].concat();
        self.udp.send(&datagram).await.unwrap();
    }

    async fn recv(&self) -> Vec<u8> {
        let mut buffer = vec![0; 65536];
        let length = timeout(PATIENCE, self.udp.recv(&mut buffer)).await;
        buffer.truncate(length.unwrap().unwrap());
        buffer
    }

    /// What is sent comes back, under the header that it went with.
    async fn echoed(&self, header: &[u8], content: &[u8]) {
        self.send(header, content).await;
        assert_eq!(self.recv().await, [header, content].concat());
    }
}

fn unknown() -> SocketAddr {
    ([0, 0, 0, 0], 0).into()
}

async fn socket() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.unwrap()
}

fn header(to: SocketAddr) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0];
    match to.ip() {
        IpAddr::V4(v4) => {
            bytes.push(1);
            bytes.extend_from_slice(&v4.octets());
        }
        IpAddr::V6(v6) => {
            bytes.push(4);
            bytes.extend_from_slice(&v6.octets());
        }
    }
    bytes.extend_from_slice(&to.port().to_be_bytes());
    bytes
}

fn named(host: &str, port: u16) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0, 3, u8::try_from(host.len()).unwrap()];
    bytes.extend_from_slice(host.as_bytes());
    bytes.extend_from_slice(&port.to_be_bytes());
    bytes
}

/// A server that sends every datagram back.
async fn echo_on(ip: &str) -> SocketAddr {
    let socket = UdpSocket::bind((ip, 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = vec![0; 65536];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let _ = socket.send_to(&buffer[..length], from).await;
        }
    });
    address
}

async fn echo() -> SocketAddr {
    echo_on("127.0.0.1").await
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let seen = async {
        while !condition() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    let seen = timeout(PATIENCE, seen).await;
    seen.unwrap_or_else(|_| panic!("{what}"));
}

async fn ended(serving: &Serving, end: Ended) {
    let metrics = &serving.metrics;
    let what = format!("no end as {end:?}");
    until(&what, || metrics.snapshot().ended(end) == 1).await;
}

/// Every slot is back, and there was one connection.
async fn finish(serving: Serving, end: Ended, cap: usize) -> Arc<Metrics> {
    let slots = serving.slots.clone();
    let metrics = serving.finish().await;
    let counts = metrics.snapshot();
    assert_eq!((counts.accepted, counts.ended(end)), (1, 1), "{counts:?}");
    assert_eq!((counts.active, slots.free()), (0, cap));
    metrics
}

/// Whether nobody listens there any more: the kernel says so to a connected socket.
async fn is_gone(entry: SocketAddr) -> bool {
    let probe = socket().await;
    probe.connect(entry).await.unwrap();
    probe.send(b"?").await.unwrap();
    let heard = timeout(PATIENCE, probe.recv(&mut [0; 1])).await.unwrap();
    heard.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

#[tokio::test]
async fn datagrams_go_where_they_say_and_come_back_under_the_same_name() {
    let (one, two, six) = (echo().await, echo().await, echo_on("::1").await);
    let serving = plain(9).await;
    let mut client = Client::new(serving.address).await;
    let ways = [
        header(one),
        header(two),
        header(six),
        named("box", one.port()),
        named("BOX.", two.port()),
        named("box6", six.port()),
        named("127.0.0.1", one.port()),
    ];
    let mut bytes = 0;
    for length in [5, 0, 1200, 60_000] {
        for (seed, way) in ways.iter().enumerate() {
            let seed = u8::try_from(seed).unwrap();
            client.echoed(way, &pattern(length, seed)).await;
            bytes += length as u64;
        }
    }
    // All at once, too.
    for way in &ways {
        client.send(way, b"once").await;
        bytes += 4;
    }
    let mut heard = Vec::new();
    for _ in &ways {
        heard.push(client.recv().await);
    }
    let mut wanted = ways.map(|way| [&way[..], b"once"].concat());
    wanted.sort_unstable();
    heard.sort_unstable();
    assert_eq!(heard, wanted);
    assert_eq!(serving.slots.free(), 1);

    client.tcp.shutdown().await.unwrap();
    let (rest, error) = drain(&mut client.tcp).await;
    assert!(rest.is_empty() && error.is_none(), "{error:?}");
    let peer = client.tcp.local_addr().unwrap().to_string();
    let metrics = finish(serving, Ended::Clean, 9).await;
    let line = log::closing(&peer);
    assert_eq!(line["target"], "socks5");
    for (key, value) in [
        ("to_target", bytes),
        ("to_peer", bytes),
        ("to_target_datagrams", 35),
        ("to_peer_datagrams", 35),
        ("dropped", 0),
    ] {
        assert_eq!(line[key], value, "{key}: {line}");
    }
    assert_eq!(line["ended_by"], "peer");
    let counts = metrics.snapshot();
    assert_eq!((counts.to_target, counts.to_peer), (bytes, bytes));
}

#[tokio::test]
async fn a_client_that_came_by_ipv6_is_served_there() {
    let target = echo().await;
    let any = "[::1]:0".parse().unwrap();
    let accept = KernelListener::bind(any, KEEPALIVE).await.unwrap();
    let address = accept.local_addr().unwrap();
    let serving = socks_on(address, accept, Rules::default(), Duration::ZERO, 3);
    let client = Client::new(address).await;
    client.echoed(&header(target), b"ping").await;
    drop(client);
    ended(&serving, Ended::Clean).await;
    finish(serving, Ended::Clean, 3).await;
}

#[tokio::test]
async fn its_socket_goes_with_its_tcp_connection() {
    let target = echo().await;
    let serving = plain(3).await;
    let client = Client::new(serving.address).await;
    client.echoed(&header(target), b"ping").await;
    let entry = client.udp.peer_addr().unwrap();
    assert!(UdpSocket::bind(entry).await.is_err());
    drop(client);
    ended(&serving, Ended::Clean).await;
    assert!(is_gone(entry).await);
    finish(serving, Ended::Clean, 3).await;
}

#[tokio::test]
async fn what_others_send_is_ignored() {
    let target = echo().await;
    let serving = plain(3).await;
    let (mut tcp, entry) = associate(serving.address, unknown()).await;
    let datagram = [&header(target)[..], b"mine"].concat();
    // From another address, before the client is known by its port.
    let stranger = UdpSocket::bind("127.0.0.2:0").await.unwrap();
    stranger.send_to(&datagram, entry).await.unwrap();
    let client = socket().await;
    let mut buffer = [0; 64];
    client.send_to(&datagram, entry).await.unwrap();
    let (length, from) = client.recv_from(&mut buffer).await.unwrap();
    assert_eq!((&buffer[..length], from), (&datagram[..], entry));
    // From another port, once it is.
    let neighbour = socket().await;
    neighbour.send_to(&datagram, entry).await.unwrap();
    client.send_to(&datagram, entry).await.unwrap();
    client.recv_from(&mut buffer).await.unwrap();
    for other in [&stranger, &neighbour] {
        let nothing = other.try_recv_from(&mut buffer);
        assert_eq!(nothing.unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
    tcp.shutdown().await.unwrap();
    drain(&mut tcp).await;
    let metrics = finish(serving, Ended::Clean, 3).await;
    assert_eq!(metrics.snapshot().to_target, 8);
}

#[tokio::test]
async fn a_client_that_says_its_port_is_known_by_it_from_the_first_datagram() {
    let target = echo().await;
    let serving = plain(3).await;
    let client = socket().await;
    let own = client.local_addr().unwrap();
    let (_tcp, entry) = associate(serving.address, own).await;
    let datagram = [&header(target)[..], b"mine"].concat();
    let neighbour = socket().await;
    let mut buffer = [0; 64];
    for sender in [&neighbour, &client] {
        sender.send_to(&datagram, entry).await.unwrap();
    }
    client.recv_from(&mut buffer).await.unwrap();
    let nothing = neighbour.try_recv_from(&mut buffer);
    assert_eq!(nothing.unwrap_err().kind(), io::ErrorKind::WouldBlock);
    assert_eq!(serving.metrics.snapshot().to_target, 4);
}

#[tokio::test]
async fn what_cannot_or_may_not_go_is_dropped_and_counted() {
    let target = echo().await;
    let port = target.port();
    let serving = socks(reach(&[&format!("box:{port}")]), Duration::ZERO, 3).await;
    let client = Client::new(serving.address).await;
    let mut fragment = named("box", port);
    fragment[2] = 1;
    for (header, content) in [
        (&fragment[..], &b"a part"[..]),
        (&header(target), b"not on the list"),
        (&named("box", port ^ 1), b"not on the list either"),
        (&named("box", 0), b"nowhere"),
        (&named("a b", port), b"nobody"),
        (&[0, 0, 0, 9, 1, 2, 3], b""),
        (b"", b""),
    ] {
        client.send(header, content).await;
    }
    client.echoed(&named("box", port), b"on the list").await;
    let counts = serving.metrics.snapshot();
    assert_eq!((counts.dropped_datagrams, counts.to_target), (7, 11));
    assert_eq!(serving.slots.free(), 1);
}

#[tokio::test]
async fn destinations_are_bounded_by_the_cap_and_by_themselves() {
    for (cap, carried) in [(4, 3), (100, 64)] {
        let serving = plain(cap).await;
        let client = Client::new(serving.address).await;
        let mut silent = Vec::new();
        for _ in 0..carried + 5 {
            let target = socket().await;
            client
                .send(&header(target.local_addr().unwrap()), b"x")
                .await;
            silent.push(target);
        }
        let metrics = &serving.metrics;
        until("nothing was dropped", || {
            metrics.snapshot().dropped_datagrams == 5
        })
        .await;
        assert_eq!(serving.slots.free() + 1 + carried, cap);
        // Those that are there are served as before.
        let mut buffer = [0; 1];
        let (_, from) = silent[0].recv_from(&mut buffer).await.unwrap();
        silent[0].send_to(b"y", from).await.unwrap();
        assert_eq!(client.recv().await.last(), Some(&b'y'));
        drop(client);
        ended(&serving, Ended::Clean).await;
        finish(serving, Ended::Clean, cap).await;
    }
}

#[tokio::test]
async fn it_ends_when_nothing_has_moved_for_the_idle_time() {
    let target = echo().await;
    let serving = socks(Rules::default(), Duration::from_millis(50), 3).await;
    let mut client = Client::new(serving.address).await;
    client.send(&header(target), b"ping").await;
    assert!(is_reset(drain(&mut client.tcp).await.1.as_ref()));
    finish(serving, Ended::Idle, 3).await;
}

#[tokio::test]
async fn it_does_not_hold_up_a_drain() {
    let target = echo().await;
    let serving = plain(3).await;
    let client = Client::new(serving.address).await;
    client.echoed(&header(target), b"ping").await;
    let slots = serving.slots.clone();
    serving.shutdown.drain.cancel();
    let metrics = timeout(PATIENCE, serving.finish()).await.unwrap();
    assert_eq!(metrics.snapshot().ended(Ended::Idle), 1);
    assert_eq!(slots.free(), 3);
}

#[tokio::test]
async fn an_abort_ends_it_and_the_log_says_what_had_moved() {
    let target = echo().await;
    let serving = plain(3).await;
    let mut client = Client::new(serving.address).await;
    client.echoed(&header(target), b"ping").await;
    serving.shutdown.abort.cancel();
    assert!(is_reset(drain(&mut client.tcp).await.1.as_ref()));
    let peer = client.tcp.local_addr().unwrap().to_string();
    finish(serving, Ended::Aborted, 3).await;
    let line = log::closing(&peer);
    assert_eq!(
        (&line["to_target"], &line["to_peer"]),
        (&4.into(), &4.into())
    );
}

#[tokio::test]
async fn a_destination_that_is_away_breaks_nothing_else() {
    let target = echo().await;
    let closed = socket().await.local_addr().unwrap();
    let serving = plain(4).await;
    let client = Client::new(serving.address).await;
    for _ in 0..3 {
        client.send(&header(closed), b"anybody?").await;
        client.send(&named("unknown", 53), b"anybody?").await;
        client.echoed(&header(target), b"ping").await;
    }
    let metrics = &serving.metrics;
    until("what nobody got was not counted", || {
        let counts = metrics.snapshot();
        counts.dropped_datagrams >= 3 && counts.dial_errors.contains_key("unknown_name")
    })
    .await;
    drop(client);
    ended(&serving, Ended::Clean).await;
    finish(serving, Ended::Clean, 4).await;
}

#[tokio::test]
async fn without_the_password_there_is_none() {
    let serving = socks(login(), Duration::ZERO, 3).await;
    let mut client = TcpStream::connect(serving.address).await.unwrap();
    let asked = [
        &[5, 1, 2, 1, 1, b'u', 1, b'p', 5, 3][..],
        &header(unknown())[2..],
    ]
    .concat();
    client.write_all(&asked).await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(drain(&mut client).await.0, [5, 2, 1, 1]);
    finish(serving, Ended::OpenFailed, 3).await;
}

#[tokio::test]
async fn a_client_without_an_address_is_told_that_it_cannot_have_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socks");
    let accept = UnixListener::bind(&path, Access::default()).await.unwrap();
    let serving = socks_on(unknown(), accept, Rules::default(), Duration::ZERO, 3);
    let mut client = UnixStream::connect(&path).await.unwrap();
    let asked = [&[5, 1, 0, 5, 3][..], &header(unknown())[2..]].concat();
    client.write_all(&asked).await.unwrap();
    client.shutdown().await.unwrap();
    let heard = drain(&mut client).await.0;
    assert_eq!(heard, [5, 0, 5, 1, 0, 1, 0, 0, 0, 0, 0, 0]);
    finish(serving, Ended::OpenFailed, 3).await;
}
