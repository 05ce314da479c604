//! The admin endpoint of the built program: on this machine from before the login, on the
//! tailnet for peers, and nothing to change at either.

use std::io::{Read, Write};
use std::net::{SocketAddr, UdpSocket};

use crate::stage;
use crate::support::http::{self, Answer};
use crate::support::patience::{PATIENCE, eventually};
use crate::support::settings::Settings;
use crate::support::tailnet::Tailnet;
use crate::support::tailport::Tailport;

/// Where the endpoint listens on this machine, as the log tells it.
#[track_caller]
fn address(node: &Tailport) -> SocketAddr {
    let line = node.wait_for_text("the admin endpoint listens");
    let (_, address) = line.split_once("address=").expect("an address");
    let address = address.split_whitespace().next();
    address
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("{line}"))
}

/// What a peer is answered at the node's port.
#[track_caller]
fn ask_over_tailnet(to: SocketAddr, method: &str, path: &str, host: &str) -> Answer {
    let mut stream = stage::peer().dial(to);
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").expect("asking");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("being answered");
    let (head, body) = text.split_once("\r\n\r\n").expect("an answer has a head");
    Answer {
        status: head
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .expect("a status"),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

#[test]
fn on_this_machine_it_answers_before_the_login_and_to_the_end() {
    let tailnet = Tailnet::start();
    tailnet.key_policy("login");
    let settings = Settings::without_key(&tailnet).set("TS_ADMIN_ADDR", "127.0.0.1:0");
    let mut node = settings.expose(7000, "127.0.0.1:9").spawn();
    let at = address(&node);
    let url = node.wait_for_text("To log this node in, visit: ");
    let url = url.rsplit(' ').next().expect("a URL");
    assert_eq!(http::request(at, "GET", "/livez").status, 200);
    let readyz = http::request(at, "GET", "/readyz");
    assert_eq!(readyz.status, 503);
    assert!(readyz.body.contains("login_needed"), "{}", readyz.body);
    for path in ["/", "/status", "/metrics", "/readyz"] {
        assert!(
            !http::request(at, "GET", path).body.contains(url),
            "{path} has the login URL"
        );
    }
    tailnet.complete_login(url);
    node.wait_ready();
    assert_eq!(http::request(at, "GET", "/readyz").status, 200);
    assert_eq!(http::request(at, "POST", "/logout").status, 405);
    assert!(http::request(at, "GET", "/").head.contains("text/html"));
    node.terminate();
    assert_eq!(node.wait_code(PATIENCE), 0);
}

#[test]
fn on_the_tailnet_peers_look_under_the_node_s_names() {
    let settings = stage::settings().set("TS_HOSTNAME", "looked-at");
    let settings = settings.set("TS_ADMIN_ADDR", "tailnet:9100");
    let node = stage::start(&settings.expose(7000, "127.0.0.1:9"));
    let at = node.at(9100);
    let metrics = ask_over_tailnet(at, "GET", "/metrics", &at.to_string());
    assert_eq!(metrics.status, 200);
    assert!(
        metrics.body.contains("tailport_ready 1\n"),
        "{}",
        metrics.body
    );
    // The whole page arrives, though the node closes the connection after it.
    let page = ask_over_tailnet(at, "GET", "/", "looked-at:9100");
    assert!(page.body.trim_end().ends_with("</html>"), "{}", page.body);
    assert_eq!(
        ask_over_tailnet(at, "GET", "/", "evil.example:9100").status,
        421
    );
    assert_eq!(
        ask_over_tailnet(at, "POST", "/reload", "looked-at:9100").status,
        405
    );
}

#[test]
fn metrics_tell_flows_apart_and_by_which_way_peers_are_reached() {
    let beyond = SocketAddr::new(stage::peer().address(), stage::peer_port());
    let settings = stage::settings()
        .set("TS_ADMIN_ADDR", "127.0.0.1:0")
        .set("TS_CONNECT", format!("127.0.0.1:0/udp={beyond}"));
    let node = stage::start(&settings);
    let at = address(&node);
    let listen = &node.ready().forwards[0].listen;
    let entry = listen.strip_suffix("/udp").expect("a UDP listener");
    let client = UdpSocket::bind("127.0.0.1:0").expect("binding to loopback");
    let series = format!("tailport_udp_flows_active{{forward=\"connect {listen}\"}} 1");
    eventually("a datagram makes a flow", PATIENCE, || {
        client.send_to(b"?", entry).expect("sending");
        http::request(at, "GET", "/metrics").body.contains(&series)
    });
    // The peer has been answered, so it is in use, by whichever way.
    eventually("a peer is in use", PATIENCE, || {
        let metrics = http::request(at, "GET", "/metrics").body;
        ["direct", "relay"].iter().any(|path| {
            let series = format!("tailport_peers{{path=\"{path}\"}} ");
            let count = metrics.lines().find_map(|line| line.strip_prefix(&series));
            count.is_some_and(|count| count != "0")
        })
    });
}

#[test]
fn it_takes_no_place_of_a_forward() {
    let settings = stage::settings().set("TS_MAX_CONNECTIONS", "1");
    let settings = settings.set("TS_ADMIN_ADDR", "127.0.0.1:0");
    let node = stage::start(&settings.expose(7000, "127.0.0.1:9"));
    let at = address(&node);
    let held: Vec<_> = (0..8)
        .map(|_| crate::support::socket::connect(at))
        .collect();
    eventually(
        "it answers beside clients that say nothing",
        PATIENCE,
        || {
            let body = http::request(at, "GET", "/status").body;
            body.contains("\"active\":0") && body.contains("\"limit\":1")
        },
    );
    drop(held);
}
