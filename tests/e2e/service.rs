//! Tailscale Services: several nodes behind one pair of addresses. A connection to a
//! service is like any other; which node gets it is the control server's to say.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::half_close::{First, transfer};
use crate::reset::passes_on;
use crate::stage;
use crate::support::content::MIB;
use crate::support::patience::{PATIENCE, eventually, eventually_some};
use crate::support::server::Server;
use crate::support::settings::Settings;
use crate::support::socket;
use crate::support::tailport::Tailport;

/// After so long without a word another connection is tried.
const SOON: Duration = Duration::from_secs(5);

/// A tagged node with these forwards; the log is in JSON.
fn from_file(forwards: &str) -> Settings {
    let settings = stage::settings()
        .set("TS_LOG_FORMAT", "json")
        .set("TS_TAGS", "tag:web");
    let file = settings.directory().write_secret("tailport.toml", forwards);
    settings.arguments(&["--config", file.to_str().expect("UTF-8")])
}

fn expose(listen: &str, target: SocketAddr, more: &str) -> String {
    format!("[[expose]]\nlisten = '{listen}'\ntarget = '{target}'\n{more}\n")
}

fn name(node: &Tailport) -> &str {
    &node.ready().hostname
}

/// Lets a node host a service and sends the peers to it; returns the addresses.
fn approve_and_lead(service: &str, node: &Tailport) -> Vec<IpAddr> {
    stage::tailnet().approve(service, name(node));
    stage::tailnet().lead(service, name(node))
}

/// Waits until a node tells the control server that it hosts a service, or does not.
#[track_caller]
fn wait_advertised(node: &Tailport, service: &str, wanted: bool) {
    let active = |told: &Value| told["Name"] == service && told["Active"] == true;
    eventually("the node says what it hosts", PATIENCE, || {
        let told = stage::tailnet().advertised(name(node));
        told.is_some_and(|told| told.as_array().expect("a list").iter().any(active) == wanted)
    });
}

/// Dials until there is a listener: the node and the peer hear of a service from the
/// control server, and until then a connection is refused.
#[track_caller]
fn reach(at: SocketAddr) -> TcpStream {
    eventually_some("the service is reached", PATIENCE, || {
        stage::peer().try_dial(at).ok()
    })
}

/// A target that says a letter and then sends back what it gets.
fn saying(letter: u8) -> Server {
    Server::serving(move |mut stream| {
        stream.write_all(&[letter])?;
        let mut from = stream.try_clone()?;
        std::io::copy(&mut from, &mut stream)?;
        stream.shutdown(Shutdown::Write)
    })
}

/// Dials until the target of this letter answers.
#[track_caller]
fn reach_letter(at: SocketAddr, letter: u8) -> TcpStream {
    eventually_some("connections come to the other node", PATIENCE, || {
        let mut stream = stage::peer().try_dial(at).ok()?;
        let mut said = [0];
        // One that was made just before a change hangs: its packets go elsewhere.
        stream.set_read_timeout(Some(SOON)).expect("a bound");
        stream.read_exact(&mut said).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).expect("a bound");
        (said == [letter]).then_some(stream)
    })
}

#[test]
fn a_connection_to_a_service_ends_as_its_sides_do() {
    let service = "svc:ends";
    let target = socket::listen();
    let node = stage::start(&from_file(&expose(
        "svc:ends:80",
        socket::address(&target),
        "",
    )));
    let host = &stage::tailnet().wait_reachable(node.address()).dns_name;
    let (_, domain) = host.split_once('.').expect("a domain");
    let by_name = format!("ends.{domain}:80");
    for address in approve_and_lead(service, &node) {
        let at = SocketAddr::new(address, 80);
        let first = reach(at);
        drop((first, socket::accept(&target)));
        for (ends_first, length) in [
            (First::Client, 1),
            (First::Client, MIB),
            (First::Server, 1),
            (First::Server, MIB),
        ] {
            let client = stage::peer().dial(at);
            transfer(client, socket::accept(&target), ends_first, length);
        }
        let mark = node.stderr().mark();
        let client = stage::peer().dial(at);
        passes_on(socket::accept(&target), client);
        let closing = node.wait_for_closing_from(mark, |line| line["ended"] == "reset");
        assert_eq!(closing["forward"], "expose svc:ends:80");
        assert_eq!(closing["ended_by"], "target");
        let peer = parsed(&closing["peer"]);
        assert_eq!(peer.is_ipv4(), address.is_ipv4());
        assert!(peer.is_ipv6() || peer.ip() == stage::peer().address());
    }
    // A stock peer makes an end of a reset; a connect of ours, by the name, does not.
    let settings = stage::settings().set("TS_DIAL_TIMEOUT", "20s");
    let connecting = stage::start(&settings.connect(by_name));
    let client = socket::connect(connecting.local());
    passes_on(client, socket::accept(&target));
    let closing =
        node.wait_for_closing(|line| line["ended_by"] == "peer" && line["ended"] == "reset");
    let peer = parsed(&closing["peer"]);
    assert!(connecting.ready().addresses.contains(&peer.ip()), "{peer}");
}

#[track_caller]
fn parsed(value: &Value) -> SocketAddr {
    let text = value.as_str().expect("a text");
    text.parse().expect("an address and a port")
}

#[test]
fn a_service_knows_its_peers_and_tells_its_target_of_them() {
    let target = socket::listen();
    let refusing = Server::echo();
    let who = stage::peer().address();
    let told = "proxy_protocol = 'v1'\nallow = '100.64.0.0/10'";
    let file = expose("svc:who:80", socket::address(&target), told)
        + &expose("svc:who:81", refusing.address(), "allow = 'tag:other'");
    let node = stage::start(&from_file(&file));
    let address = approve_and_lead("svc:who", &node)[0];

    let at = SocketAddr::new(address, 80);
    let client = reach(at);
    let mut line = String::new();
    BufReader::new(socket::accept(&target))
        .read_line(&mut line)
        .expect("a header");
    drop(client);
    let closing = node.wait_for_closing(|line| line["forward"] == "expose svc:who:80");
    let peer = parsed(&closing["peer"]);
    assert_eq!(peer.ip(), who);
    let wanted = format!("PROXY TCP4 {who} {address} {} 80\r\n", peer.port());
    assert_eq!(line, wanted);
    let user = closing["user"].as_str().expect("a user");
    assert!(user.starts_with("user-"), "{closing}");

    let mut client = reach(SocketAddr::new(address, 81));
    assert!(socket::is_reset(&socket::end_of(&mut client)));
    let closing = node.wait_for_closing(|line| line["forward"] == "expose svc:who:81");
    assert_eq!(closing["ended"], "denied", "{closing}");
    assert_eq!(closing["user"], user, "{closing}");
    assert_eq!(refusing.total(), 0);
}

#[test]
fn a_replica_that_stops_is_withdrawn_and_finishes_and_the_next_one_takes_over() {
    let service = "svc:moves";
    let targets = [saying(b'a'), saying(b'b'), saying(b'c')];
    let [mut a, mut b, c] = targets.each_ref().map(|target| {
        let settings = from_file(&expose("svc:moves:80", target.address(), ""));
        let node = stage::start(&settings.set("TS_DRAIN_TIMEOUT", "2m"));
        stage::tailnet().approve(service, name(&node));
        node
    });
    let at = SocketAddr::new(approve_and_lead(service, &a)[0], 80);
    let mut held = reach_letter(at, b'a');

    a.terminate();
    a.wait_for_text("draining");
    wait_advertised(&a, service, false);
    wait_advertised(&b, service, true);
    if let Ok(mut late) = stage::peer().try_dial(at) {
        assert!(socket::is_reset(&socket::end_of(&mut late)), "a new one");
    }
    held.write_all(b"still here")
        .expect("the way there is open");
    held.shutdown(Shutdown::Write).expect("half-closing");
    let mut answer = String::new();
    held.read_to_string(&mut answer).expect("an end, no reset");
    assert_eq!(answer, "still here");
    assert_eq!(a.wait_code(PATIENCE), 0);

    stage::tailnet().lead(service, name(&b));
    reach_letter(at, b'b');
    b.kill();
    b.wait_exit(PATIENCE);
    stage::tailnet().lead(service, name(&c));
    reach_letter(at, b'c');
}

/// What `tailport status` answers: its exit code, and all that it says.
#[track_caller]
fn status(node: &Tailport) -> (i32, String) {
    let (code, stdout, stderr) = stage::ask(node.home(), &["status"]);
    (code, stdout + &stderr)
}

#[test]
fn a_service_is_carried_from_its_approval_to_its_end() {
    let (service, target) = ("svc:later", saying(b'l'));
    let settings = from_file(&expose("svc:later:80", target.address(), ""));
    let file = settings.directory().path().join("tailport.toml");
    let node = stage::start(&settings);
    let listens = &node.ready().forwards[0];
    assert_eq!(
        (listens.kind.as_str(), listens.listen.as_str()),
        ("expose", "svc:later:80")
    );
    node.wait_for_log("a warning says what to do", |line| {
        line.contains("WARN") && line.contains("approve this node as its host")
    });
    let (code, text) = status(&node);
    assert_eq!(code, 69, "{text}");
    assert!(text.contains("svc:later has no address here"), "{text}");

    let at = SocketAddr::new(approve_and_lead(service, &node)[0], 80);
    reach_letter(at, b'l');
    eventually("the node is ready", PATIENCE, || status(&node).0 == 0);
    stage::tailnet().take_back(service, name(&node));
    eventually("the node is not ready", PATIENCE, || status(&node).0 == 69);
    approve_and_lead(service, &node);
    let mut open = reach_letter(at, b'l');

    let other = expose("80", target.address(), "");
    std::fs::write(&file, other).expect("writing the file");
    let (code, _, stderr) = stage::ask(node.home(), &["reload"]);
    assert_eq!(code, 0, "{stderr}");
    wait_advertised(&node, service, false);
    open.write_all(b"!").expect("the way there is open");
    open.read_exact(&mut [0]).expect("and the way back");
    let mut plain = reach_letter(node.at(80), b'l');
    plain.write_all(b"!").expect("an ordinary port beside it");
    assert_eq!(status(&node).0, 0);
}

#[test]
fn a_node_without_a_tag_is_told_that_it_can_host_nothing() {
    let target = SocketAddr::from(([127, 0, 0, 1], 9));
    let settings = from_file(&expose("svc:untagged:80", target, "")).unset("TS_TAGS");
    let mut node = settings.spawn();
    let line = node.wait_for_log("an error", |line| line.starts_with("ERROR {"));
    assert!(line.contains("\"kind\":\"not_tagged\""), "{line}");
    assert!(line.contains("TS_TAGS"), "{line}");
    assert_eq!(node.wait_code(PATIENCE), 64);
}
