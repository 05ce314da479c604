//! Who may come in by an expose: by user, tag, node and address as the tailnet knows
//! them. Who may not is reset before the target hears of it, named in the log, counted.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;

use serde_json::Value;

use crate::stage;
use crate::support::patience::{PATIENCE, eventually, eventually_some};
use crate::support::peer::Peer;
use crate::support::server::Server;
use crate::support::settings::Settings;
use crate::support::socket;
use crate::support::tailnet::{Known, Tailnet};
use crate::support::tailport::Tailport;

/// Starts a node whose exposes are those of a file; the log is in JSON.
#[track_caller]
fn start(forwards: &str) -> Tailport {
    let settings = stage::settings().set("TS_LOG_FORMAT", "json");
    let file = settings.directory().write_secret("tailport.toml", forwards);
    stage::start(&settings.arguments(&["--config", file.to_str().expect("UTF-8")]))
}

/// What the control server knows of the node with an address.
#[track_caller]
fn known(address: IpAddr) -> Known {
    let mut nodes = stage::tailnet().nodes().into_iter();
    let found = nodes.find(|node| node.addresses.contains(&address));
    found.expect("the tailnet has the node")
}

/// The login name that the control server gives each node's user.
fn user_of(address: IpAddr) -> String {
    let IpAddr::V4(v4) = address else {
        panic!("{address} is not IPv4");
    };
    let [_, _, high, low] = v4.octets();
    let domain = known(address).dns_name;
    let (_, domain) = domain.split_once('.').expect("a domain");
    format!("user-{}@{domain}", u16::from_be_bytes([high, low]))
}

fn entry(port: u16, target: SocketAddr, allow: &str) -> String {
    format!("[[expose]]\nlisten = {port}\ntarget = '{target}'\nallow = {allow}\n")
}

/// Whether a connection is carried to its target and back. One that is not must be
/// reset, not closed or left alone.
#[track_caller]
fn carried(opened: Result<TcpStream, String>) -> bool {
    let Ok(mut stream) = opened else {
        return false;
    };
    let asked = stream.write_all(b"?");
    let answer = asked.and_then(|()| stream.read_exact(&mut [0]));
    if let Err(error) = &answer {
        let gone = error.kind() == std::io::ErrorKind::BrokenPipe;
        assert!(gone || socket::is_reset(&answer), "{error}");
    }
    answer.is_ok()
}

/// A metric of a node, asked for at its control socket.
#[track_caller]
fn metric(node: &Tailport, name: &str) -> Option<u64> {
    let mut stream =
        UnixStream::connect(node.home().state().join("control.sock")).expect("connecting");
    stream.set_read_timeout(Some(PATIENCE)).expect("a bound");
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").expect("asking");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("being answered");
    let line = answer.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().parse().ok()
}

fn denied(forward: &str) -> String {
    format!("tailport_connections_ended_total{{forward=\"{forward}\",how=\"denied\"}}")
}

/// A tagged node of ours that leads to ports of another.
fn tagged() -> &'static Tailport {
    static TAGGED: OnceLock<Tailport> = OnceLock::new();
    TAGGED.get_or_init(|| {
        let settings = stage::settings()
            .set("TS_TAGS", "tag:web")
            .set("TS_SOCKS5_ADDR", "127.0.0.1:0")
            .set("TS_DIAL_TIMEOUT", "20s")
            .expose(7000, "127.0.0.1:9");
        stage::start(&settings)
    })
}

/// Dials from the tagged node, by the SOCKS5 proxy that it has.
fn dial_from_tagged(to: SocketAddr) -> Result<TcpStream, String> {
    let forwards = &tagged().ready().forwards;
    let proxy = forwards.iter().find(|forward| forward.kind == "socks5");
    let proxy = proxy.expect("a proxy").listen.parse().expect("an address");
    let mut stream = socket::connect(proxy);
    let IpAddr::V4(address) = to.ip() else {
        panic!("{to} is not IPv4");
    };
    let mut request = vec![5, 1, 0, 5, 1, 0, 1];
    request.extend(address.octets());
    request.extend(to.port().to_be_bytes());
    stream.write_all(&request).expect("asking the proxy");
    let mut answer = [0; 12];
    let answered = stream.read_exact(&mut answer);
    match answered {
        Ok(()) if answer[3] == 0 => Ok(stream),
        Ok(()) => Err(format!("the proxy refuses: {answer:?}")),
        Err(error) => Err(error.to_string()),
    }
}

/// Each list lets in, or keeps out, those who dial.
#[track_caller]
fn decides(
    lists: &[(String, bool)],
    who: IpAddr,
    dial: impl Fn(SocketAddr) -> Result<TcpStream, String>,
) {
    let target = Server::echo();
    let ports = 7001..;
    let file: String = std::iter::zip(ports.clone(), lists)
        .map(|(port, (list, _))| entry(port, target.address(), list))
        .collect();
    let node = start(&file);
    let name = known(who).name;
    let mut dialed = 0;
    assert!(!lists.is_empty());
    for (port, (list, lets_in)) in std::iter::zip(ports, lists) {
        assert_eq!(carried(dial(node.at(port))), *lets_in, "{name}: {list}");
        dialed += usize::from(*lets_in);
        assert_eq!(target.total(), dialed, "connections at the target: {list}");
        let forward = format!("expose {port}/tcp");
        let closing = node.wait_for_closing(|line| line["forward"] == forward);
        assert_eq!(closing["ended"] == "denied", !lets_in, "{list}: {closing}");
        assert_eq!(closing["node"], name, "{closing}");
        eventually("a denial is counted, and nothing else", PATIENCE, || {
            metric(&node, &denied(&forward)) == Some(u64::from(!lets_in))
        });
    }
}

#[test]
fn a_users_node_comes_in_by_user_domain_name_and_address_and_by_no_others() {
    let who = stage::peer().address();
    let (user, node) = (user_of(who), known(who));
    let (name, full) = (node.name, node.dns_name);
    let domain = full.split_once('.').expect("a domain").1;
    let v6 = node.addresses.iter().find(|address| address.is_ipv6());
    let v6 = v6.expect("an IPv6 address");
    let lists = [
        (format!("'{user}'"), true),
        (format!("'*@{domain}'"), true),
        (format!("'{name}'"), true),
        (format!("'{full}'"), true),
        (format!("'{who}'"), true),
        ("'100.64.0.0/10'".to_owned(), true),
        (format!("['tag:web', 'nobody@example.com', '{user}']"), true),
        ("'tag:web'".to_owned(), false),
        (format!("'other-{user}'"), false),
        ("'*@example.com'".to_owned(), false),
        (format!("'not-{name}'"), false),
        (format!("'{name}.example.com'"), false),
        // It comes by its IPv4 address.
        (format!("['{v6}', '100.65.0.0/16']"), false),
    ];
    decides(&lists, who, |to| stage::peer().try_dial(to));
}

#[test]
fn a_tagged_node_comes_in_by_its_tag_and_is_nobodys() {
    let who = tagged().address();
    let node = known(who);
    assert_eq!(node.tags, ["tag:web"]);
    let user = user_of(who);
    let domain = node.dns_name.split_once('.').expect("a domain").1;
    let lists = [
        ("'tag:web'".to_owned(), true),
        (format!("'{}'", node.name), true),
        ("'tag:webs'".to_owned(), false),
        (format!("'{user}'"), false),
        (format!("'*@{domain}'"), false),
    ];
    decides(&lists, who, dial_from_tagged);
}

#[test]
fn who_is_denied_is_named_in_the_log_with_the_reason_and_remembered() {
    let target = Server::echo();
    let node = start(&entry(7000, target.address(), "'tag:web'"));
    let who = stage::peer().address();
    assert!(!carried(stage::peer().try_dial(node.at(7000))));
    let closing = node.wait_for_closing(|line| line["ended"] == "denied");
    assert_eq!(closing["level"], "WARN", "{closing}");
    assert_eq!(closing["user"], user_of(who), "{closing}");
    assert_eq!(closing["node"], known(who).name, "{closing}");
    let peer = closing["peer"].as_str().expect("an address");
    assert!(peer.starts_with(&format!("{who}:")), "{closing}");
    let reason = closing["reason"].as_str().expect("a reason");
    assert!(reason.contains("allow list"), "{closing}");
    let past = eventually_some("it is remembered", PATIENCE, || {
        let (_, out, _) = stage::ask(node.home(), &["status", "--json"]);
        let report: Value = serde_json::from_str(&out).expect("a report");
        report["recent"].get(0).cloned()
    });
    assert_eq!(past["ended"], "denied", "{past}");
    assert!(past["who"].as_str().is_some_and(|who| !who.is_empty()));
    assert_eq!(target.total(), 0);
}

#[test]
fn without_a_list_everyone_comes_in_and_is_named() {
    let target = Server::echo();
    let node = stage::start(
        &stage::settings()
            .set("TS_LOG_FORMAT", "json")
            .expose(7000, target.address()),
    );
    assert!(carried(stage::peer().try_dial(node.at(7000))));
    let closing = node.wait_for_closing(|line| line["ended"] == "clean");
    let who = stage::peer().address();
    assert_eq!(closing["user"], user_of(who), "{closing}");
    assert_eq!(closing["node"], known(who).name, "{closing}");
}

#[test]
fn a_forwards_own_cap_is_its_own_and_its_places_come_back() {
    let target = Server::echo();
    let at = target.address();
    let node = start(&format!(
        "[[expose]]\nname = 'narrow'\nlisten = 7001\ntarget = '{at}'\nmax_connections = 2\n\
         [[expose]]\nlisten = 7002\ntarget = '{at}'\n"
    ));
    let open = |port| {
        let mut stream = stage::peer().dial(node.at(port));
        stream.write_all(b"?").expect("asking");
        stream.read_exact(&mut [0]).expect("an answer");
        stream
    };
    let held = [open(7001), open(7001)];
    assert!(!carried(stage::peer().try_dial(node.at(7001))), "a third");
    let _others: Vec<_> = (0..3).map(|_| open(7002)).collect();
    assert_eq!(target.total(), 5);
    let refused = "tailport_connections_refused_total{forward=\"narrow\"}";
    eventually("it is counted", PATIENCE, || {
        metric(&node, refused) == Some(1)
    });
    drop(held);
    let ended = |line: &&Value| line["forward"] == "narrow";
    eventually("both have ended", PATIENCE, || {
        node.closings().iter().filter(ended).count() == 2
    });
    drop([open(7001), open(7001)]);
}

#[test]
fn a_capability_that_the_tailnet_grants_lets_in_and_another_one_does_not() {
    let tailnet = Tailnet::granting("example.com/cap/desk");
    let target = Server::echo();
    let at = target.address();
    let settings = Settings::on(&tailnet);
    let forwards = entry(7001, at, "'cap:example.com/cap/desk'")
        + &entry(7002, at, "'cap:example.com/cap/other'");
    let file = settings
        .directory()
        .write_secret("tailport.toml", &forwards);
    let file = file.to_str().expect("UTF-8");
    let node = settings.arguments(&["--config", file]).start(&tailnet);
    let peer = Peer::start(&tailnet);
    peer.greet(node.address());
    assert!(carried(peer.try_dial(node.at(7001))));
    assert!(!carried(peer.try_dial(node.at(7002))));
    assert_eq!(target.total(), 1);
}
