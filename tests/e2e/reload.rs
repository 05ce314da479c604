//! Another configuration while the program runs, asked for at the control socket or by
//! SIGHUP: forwards come, go and change, and what is open goes on as it was.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;

use serde_json::Value;

use crate::stage::{self, ask};
use crate::support::authority::Authority;
use crate::support::patience::{PATIENCE, eventually_some};
use crate::support::settings::Settings;
use crate::support::socket;
use crate::support::tailport::Tailport;

/// A node that is configured by a file alone.
struct FromFile {
    node: Tailport,
    file: PathBuf,
}

impl FromFile {
    #[track_caller]
    fn start(forwards: &str) -> Self {
        Self::with(stage::settings(), forwards)
    }

    #[track_caller]
    fn with(settings: Settings, forwards: &str) -> Self {
        let settings = settings.set("TS_LOG_FORMAT", "json");
        let file = settings.directory().write_secret("tailport.toml", forwards);
        let node = stage::start(&settings.arguments(&["--config", file.to_str().expect("UTF-8")]));
        Self { node, file }
    }

    fn write(&self, text: &str) {
        fs::write(&self.file, text).expect("writing the file");
    }

    /// Writes the file, and has it read by the verb; its exit code and what it says.
    fn try_reload(&self, text: &str) -> (i32, String) {
        self.write(text);
        let (code, out, err) = ask(self.node.home(), &["reload"]);
        (code, out + &err)
    }

    #[track_caller]
    fn reload(&self, text: &str) -> String {
        let (code, said) = self.try_reload(text);
        assert_eq!(code, 0, "{said}");
        said
    }
}

fn expose(port: impl std::fmt::Display, target: &TcpListener) -> String {
    let target = socket::address(target);
    format!("[[expose]]\nlisten = '{port}'\ntarget = '{target}'\n")
}

fn connect(listen: SocketAddr, port: u16) -> String {
    let at_peer = SocketAddr::new(stage::peer().address(), port);
    format!("[[connect]]\nlisten = '{listen}'\ntarget = '{at_peer}'\n")
}

/// A connection of the peer to a port of the node, with the target's end.
#[track_caller]
fn open(node: &Tailport, port: u16, target: &TcpListener) -> (TcpStream, TcpStream) {
    let client = stage::peer().dial(node.at(port));
    (client, socket::accept(target))
}

/// Bytes go both ways.
#[track_caller]
fn talks((client, served): &mut (TcpStream, TcpStream)) {
    for (from, to) in [(&*client, &*served), (&*served, &*client)] {
        let (mut from, mut to, mut got) = (from, to, [0; 5]);
        from.write_all(b"hello").expect("sending");
        to.read_exact(&mut got).expect("being sent something");
        assert_eq!(&got, b"hello");
    }
}

/// A port of loopback that nobody has now.
fn free() -> SocketAddr {
    socket::address(&socket::listen())
}

/// What the kernel calls the socket that listens at an address.
#[track_caller]
fn listener_at(address: SocketAddr) -> String {
    let table = fs::read_to_string("/proc/net/tcp").expect("the kernel's table");
    let port = format!(":{:04X}", address.port());
    let inode = table.lines().find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        (fields[1].ends_with(&port) && fields[3] == "0A").then(|| fields[9].to_owned())
    });
    inode.unwrap_or_else(|| panic!("nobody listens at {address}: {table}"))
}

/// Changes three of four forwards that have connections, has the file read by `again`,
/// and returns what was said of it.
fn changes_what_was_asked_for(again: impl Fn(&mut FromFile) -> String) {
    let [gone, before, after, kept, new] = std::array::from_fn(|_| socket::listen());
    let (port, entry) = (stage::peer_port(), free());
    let _listening = stage::peer().listen(port, socket::address(&kept));
    let kept_text = connect(entry, port);
    let old = expose(7001, &gone) + &expose(7002, &before) + &kept_text;
    let mut running = FromFile::start(&old);
    let mut on_gone = open(&running.node, 7001, &gone);
    let mut on_changed = open(&running.node, 7002, &before);
    let client = socket::connect(entry);
    let mut on_kept = (client, socket::accept(&kept));
    let listener = listener_at(entry);
    running.write(&(expose(7002, &after) + &kept_text + &expose(7003, &new)));
    let said = again(&mut running);

    assert_eq!(listener_at(entry), listener, "it listens anew");
    let node = &running.node;
    for (what, target) in [
        ("removed: expose 7001/tcp to", &gone),
        ("changed: expose 7002/tcp to", &after),
        ("added: expose 7003/tcp to", &new),
    ] {
        let line = format!("{what} {}", socket::address(target));
        assert!(said.contains(&line), "no {line:?} in {said}");
    }
    assert!(!said.contains(&entry.to_string()), "{said}");
    for connection in [&mut on_gone, &mut on_changed, &mut on_kept] {
        talks(connection);
    }
    talks(&mut open(node, 7003, &new));
    talks(&mut open(node, 7002, &after));
    talks(&mut (socket::connect(entry), socket::accept(&kept)));
    assert!(stage::peer().try_dial(node.at(7001)).is_err(), "it is gone");
    for nobody in [&gone, &before] {
        assert!(socket::accept_now(nobody).is_none(), "a target of before");
    }
    // An old connection ends as one of the old target.
    drop(on_changed);
    let old = socket::address(&before).to_string();
    node.wait_for_closing(|line| line["forward"] == "expose 7002/tcp" && line["target"] == old);
}

#[test]
fn a_reload_that_is_asked_for_changes_what_the_file_changes_and_no_open_connection() {
    changes_what_was_asked_for(|running| {
        let (code, out, err) = ask(running.node.home(), &["reload"]);
        assert_eq!((code, err.as_str()), (0, ""));
        out
    });
}

#[test]
fn a_hangup_changes_what_the_file_changes_and_no_open_connection() {
    changes_what_was_asked_for(|running| {
        let mark = running.node.stderr().mark();
        running.node.hang_up();
        // Those that were added are the last to be named.
        let added = |line: &str| line.contains("reload: added");
        let output = running.node.stderr();
        let seen = output.wait_from(mark, PATIENCE, added);
        assert!(seen.is_some(), "nothing was added");
        output.lines()[mark..].join("\n")
    });
}

#[test]
fn a_file_with_a_mistake_changes_nothing_and_is_told_by_its_line_and_key() {
    let [target, other] = std::array::from_fn(|_| socket::listen());
    let running = FromFile::start(&expose(7000, &target));
    let bad = format!("{}lisen = 3\n", expose(7000, &other));
    let (code, said) = running.try_reload(&bad);
    assert_ne!(code, 0, "{said}");
    let wanted = format!("{}:4: expose.lisen: ", running.file.display());
    assert!(said.contains(&wanted), "{said}");
    assert!(running.node.log().contains(&wanted), "the log has it too");
    talks(&mut open(&running.node, 7000, &target));
    fs::remove_file(&running.file).unwrap();
    let (code, _, said) = ask(running.node.home(), &["reload"]);
    assert_ne!(code, 0, "{said}");
    let said = running.reload(&expose(7000, &other));
    assert!(said.starts_with("changed: expose 7000/tcp"), "{said}");
    talks(&mut open(&running.node, 7000, &other));
}

#[test]
fn a_setting_that_needs_a_restart_is_named_and_the_forwards_are_changed_all_the_same() {
    let [target, other] = std::array::from_fn(|_| socket::listen());
    let running = FromFile::start(&expose(7000, &target));
    let text = expose(7000, &target);
    let said = running.reload(&format!("dial_timeout = '1s'\nmax_connections = 7\n{text}"));
    assert_eq!(
        said,
        "nothing to change\nTS_DIAL_TIMEOUT needs a restart to take effect\n\
         TS_MAX_CONNECTIONS needs a restart to take effect\n"
    );
    let said = running.reload(&format!("ephemeral = true\n{}", expose(7000, &other)));
    assert!(said.contains("TS_EPHEMERAL needs a restart"), "{said}");
    assert!(!said.contains("TS_DIAL_TIMEOUT"), "{said}");
    talks(&mut open(&running.node, 7000, &other));
}

#[test]
fn what_cannot_be_listened_on_changes_nothing() {
    let [target, other, taken] = std::array::from_fn(|_| socket::listen());
    let running = FromFile::start(&expose(7000, &target));
    let taken = socket::address(&taken);
    let more = expose(7000, &other) + &expose(7001, &other) + &connect(taken, 9);
    let (code, said) = running.try_reload(&more);
    assert_ne!(code, 0, "{said}");
    assert!(said.contains(&format!("listening on {taken}: ")), "{said}");
    talks(&mut open(&running.node, 7000, &target));
    assert!(stage::peer().try_dial(running.node.at(7001)).is_err());
}

#[test]
fn a_port_turns_to_tls_when_there_is_a_certificate_and_stays_what_it_was_without() {
    let [target, other] = std::array::from_fn(|_| socket::listen());
    let (_kept, nobody) = socket::refusing();
    let authority = Authority::start(stage::tailnet());
    let (plain, tls) = (expose(7000, &target), expose("7000/tls", &other));
    let with = |url: &str| {
        let settings = stage::settings().set("SSL_CERT_FILE", authority.trust());
        FromFile::with(settings.set("TS_DEBUG_ACME_DIRECTORY_URL", url), &plain)
    };
    let without = with(&format!("http://{nobody}/"));
    let (code, said) = without.try_reload(&tls);
    assert_ne!(code, 0, "{said}");
    assert!(said.contains("certificate"), "{said}");
    talks(&mut open(&without.node, 7000, &target));

    let running = with(authority.directory_url());
    let said = running.reload(&tls);
    assert!(said.contains("added: expose 7000/tls"), "{said}");
    let mut client = stage::peer().dial(running.node.at(7000));
    client.write_all(b"this is no handshake\r\n\r\n").unwrap();
    let ended = |line: &Value| line["ended"] == "open_failed";
    running.node.wait_for_closing(ended);
    assert!(socket::accept_now(&other).is_none(), "it was led on");
    let said = running.reload(&plain);
    assert!(said.contains("removed: expose 7000/tls"), "{said}");
    talks(&mut open(&running.node, 7000, &target));
}

#[test]
fn a_port_changes_its_protocol_and_its_listener() {
    let target = socket::listen();
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = datagrams.local_addr().unwrap();
    let text = expose(7000, &target);
    let running = FromFile::start(&text);
    let mut opened = open(&running.node, 7000, &target);
    let udp = format!("[[expose]]\nlisten = '7000/udp'\ntarget = '{at}'\n");
    let said = running.reload(&udp);
    assert!(said.contains("removed: expose 7000/tcp"), "{said}");
    assert!(said.contains("added: expose 7000/udp"), "{said}");
    assert!(stage::peer().try_dial(running.node.at(7000)).is_err());
    talks(&mut opened);
    let said = running.reload(&text);
    assert!(said.contains("removed: expose 7000/udp"), "{said}");
    talks(&mut open(&running.node, 7000, &target));
    // A cap is the listener's, so another one takes the port from the one before.
    let capped = format!("{text}max_connections = 1\nname = 'narrow'\n");
    let said = running.reload(&capped);
    assert!(
        said.contains("removed: ") && said.contains("added: "),
        "{said}"
    );
    assert!(!said.contains("failed"), "{said}");
    let mut only = open(&running.node, 7000, &target);
    let refused = stage::peer().try_dial(running.node.at(7000));
    let ended = refused.map(|mut refused| socket::end_of(&mut refused));
    assert!(ended.is_err() || ended.is_ok_and(|end| socket::is_closed(&end)));
    talks(&mut only);
    drop(only);
    running
        .node
        .wait_for_closing(|line| line["forward"] == "narrow");
}

#[test]
fn forwards_whose_ports_the_system_chose_keep_them_and_their_targets() {
    let targets: [TcpListener; 2] = std::array::from_fn(|_| socket::listen());
    let ports = [stage::peer_port(), stage::peer_port()];
    let _listening: Vec<_> = std::iter::zip(ports, &targets)
        .map(|(port, target)| stage::peer().listen(port, socket::address(target)))
        .collect();
    let any = "127.0.0.1:0".parse().unwrap();
    let both = connect(any, ports[0]) + &connect(any, ports[1]);
    let running = FromFile::start(&both);
    let entries = running.node.ready().local();
    let leads = |at: usize| {
        talks(&mut (socket::connect(entries[at]), socket::accept(&targets[at])));
    };
    assert_eq!(running.reload(&both), "nothing to change\n");
    leads(0);
    leads(1);
    let said = running.reload(&connect(any, ports[1]));
    let removed = format!("removed: connect {} ", entries[0]);
    assert!(
        said.starts_with(&removed) && said.lines().count() == 1,
        "{said}"
    );
    leads(1);
    eventually_some("the removed one refuses", PATIENCE, || {
        socket::try_connect(entries[0]).err()
    });
}
