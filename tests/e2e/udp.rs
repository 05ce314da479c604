//! Datagrams through the built program: an expose and a connect with `/udp`.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::stage;
use crate::support::patience::PATIENCE;
use crate::support::settings::Settings;
use crate::support::tailport::Tailport;

/// After how long a datagram counts as lost.
const LOST: Duration = Duration::from_secs(1);

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("binding to loopback");
    socket.set_read_timeout(Some(LOST)).expect("a timeout");
    socket
}

/// Sends back every datagram, until the process ends.
fn echo() -> SocketAddr {
    let socket = socket();
    let address = socket.local_addr().expect("an address");
    std::thread::spawn(move || {
        let mut buffer = vec![0; 65536];
        loop {
            if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let _ = socket.send_to(&buffer[..length], from);
            }
        }
    });
    address
}

/// Sends a datagram until it comes back.
#[track_caller]
fn echoed(client: &UdpSocket, datagram: &[u8]) {
    let mut answer = vec![0; 65536];
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        client.send(datagram).expect("sending");
        if client
            .recv(&mut answer)
            .is_ok_and(|length| answer[..length] == *datagram)
        {
            return;
        }
    }
    panic!("{} bytes never came back", datagram.len());
}

/// The closing line of a flow that has brought an answer.
#[track_caller]
fn closing(node: &Tailport) -> Value {
    let parsed = |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        let answered = line["to_peer_datagrams"].as_u64() > Some(0);
        (line["message"] == "flow ended" && answered).then_some(line)
    };
    let line = node.wait_for_log("a flow's end", |line| parsed(line).is_some());
    parsed(&line).expect("the same line")
}

#[test]
fn datagrams_go_through_two_nodes_whole_and_their_flow_ends_when_nothing_moves() {
    let settings = || {
        Settings::on(stage::tailnet())
            .set("TS_IDLE_TIMEOUT", "2s")
            .set("TS_LOG_FORMAT", "json")
    };
    let target = echo();
    let mut exposing = settings()
        .set("TS_EXPOSE", format!("7000/udp={target}"))
        .start(stage::tailnet());
    let to = exposing.at(7000);
    let mut connecting = settings()
        .set("TS_CONNECT", format!("127.0.0.1:0/udp={to}"))
        // The first one to be sent through may have to wait for the handshake.
        .set("TS_DIAL_TIMEOUT", "20s")
        .start(stage::tailnet());
    let forward = &connecting.ready().forwards[0];
    let entry = forward.listen.strip_suffix("/udp").expect("a UDP listener");
    let entry: SocketAddr = entry.parse().expect("an address");

    let client = socket();
    client.connect(entry).expect("connecting");
    for length in [1, 1200, 0, 9000] {
        echoed(&client, &vec![7; length]);
    }
    let line = closing(&connecting);
    assert_eq!(line["ended"], "idle", "{line}");
    assert_eq!(line["target"], to.to_string());
    let peer = client.local_addr().expect("an address").to_string();
    assert_eq!(line["peer"], peer);
    let line = closing(&exposing);
    assert_eq!(line["target"], target.to_string());
    let peer = line["peer"].as_str().expect("an address");
    assert!(peer.starts_with(&format!("{}:", connecting.address())));

    // A flow that is there does not hold up the end.
    echoed(&client, b"last");
    for node in [&mut connecting, &mut exposing] {
        node.terminate();
        assert_eq!(node.wait_code(PATIENCE), 0);
    }
}
