//! The runbook's table of problems: each is made here, and the program says what stands there.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::thread;

use crate::documents::table;
use crate::support::black_hole::BlackHole;
use crate::support::patience::PATIENCE;
use crate::support::settings::Settings;
use crate::support::shared::{peer, tailnet};
use crate::support::socket;
use crate::support::tailnet::Tailnet;

/// Words of a message in the runbook, and what makes the program say it; it returns what the
/// program has said.
type Problem = (&'static str, fn() -> String);

const PROBLEMS: &[Problem] = &[
    ("chmod 600", key_that_others_may_read),
    ("refused the login", refused_key),
    ("To log this node in", no_key),
    ("cannot be asked yet", no_control_server),
    ("another instance", second_instance),
    ("chmod o-rwx", state_that_others_may_read),
    ("already in use", port_in_use),
    ("error=refused", target_that_refuses),
    ("error=timed out", target_that_is_silent),
    ("error=not in the tailnet", address_that_is_nobodys),
    ("connections refused", cap),
    ("not ready", expired_key),
    ("refuses this node", deleted_node),
];

#[test]
fn the_program_says_what_the_runbook_says_it_does() {
    let rows = table("docs/runbook.md", "You read");
    assert_eq!(rows.len(), PROBLEMS.len(), "a problem for each row");
    // Made before the nodes that are to meet it.
    peer();
    thread::scope(|scope| {
        for row in &rows {
            let message = &row[0];
            let mut fitting = PROBLEMS.iter().filter(|(words, _)| message.contains(words));
            let problem = fitting.next();
            let (_, make) = problem.unwrap_or_else(|| panic!("nothing makes: {message}"));
            assert!(fitting.next().is_none(), "two make: {message}");
            scope.spawn(move || {
                let log = make();
                let is_said = log.lines().any(|line| fits(line, message));
                assert!(is_said, "{message}:\n{log}");
            });
        }
    });
}

/// Whether a line has the message in it, where `…` is anything.
fn fits(line: &str, message: &str) -> bool {
    let mut parts = message.split('…').map(str::trim);
    let rest = parts.try_fold(line, |rest, part| {
        rest.split_once(part).map(|(_, after)| after)
    });
    rest.is_some()
}

/// A node whose target is nobody's.
fn alone(tailnet: &Tailnet) -> Settings {
    Settings::on(tailnet).expose(7000, "127.0.0.1:9")
}

/// The stderr of a start that fails.
#[track_caller]
fn failing(settings: &Settings, code: i32) -> String {
    let mut node = settings.spawn();
    assert_eq!(node.wait_code(PATIENCE), code, "{}", node.log());
    node.log()
}

fn key_that_others_may_read() -> String {
    let settings = alone(tailnet());
    let file = settings.directory().write_secret("key", "tskey-auth-any");
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    failing(&settings.set("TS_AUTHKEY_FILE", file), 64)
}

fn refused_key() -> String {
    let settings = alone(tailnet()).unset("TS_AUTHKEY_FILE");
    failing(&settings.set("TS_AUTHKEY", "tskey-auth-wrong"), 77)
}

fn no_key() -> String {
    let tailnet = Tailnet::start();
    tailnet.key_policy("login");
    let node = alone(&tailnet).unset("TS_AUTHKEY_FILE").spawn();
    node.wait_for_text("To log this node in")
}

fn no_control_server() -> String {
    let tailnet = Tailnet::start();
    tailnet.control("refuse");
    let node = alone(&tailnet).set("TS_TIMEOUT", "60s").spawn();
    node.wait_for_text("cannot be asked")
}

fn second_instance() -> String {
    let settings = alone(tailnet());
    let _first = settings.start(tailnet());
    failing(&settings, 1)
}

fn state_that_others_may_read() -> String {
    let settings = alone(tailnet());
    let state = settings.directory().state();
    fs::create_dir(&state).unwrap();
    fs::set_permissions(&state, Permissions::from_mode(0o755)).unwrap();
    failing(&settings, 64)
}

fn port_in_use() -> String {
    let taken = socket::listen();
    let connect = format!("{}=any:22", socket::address(&taken));
    failing(&Settings::on(tailnet()).set("TS_CONNECT", connect), 1)
}

/// The line about a connection of the peer to a node that exposes this target.
fn closing_line(target: SocketAddr) -> String {
    let settings = Settings::on(tailnet()).set("TS_DIAL_TIMEOUT", "2s");
    let node = settings.expose(7000, target).start(tailnet());
    peer().greet(node.address());
    let _client = peer().dial(node.at(7000));
    node.wait_for_text("connection ended")
}

fn target_that_refuses() -> String {
    let (_port, refusing) = socket::refusing();
    closing_line(refusing)
}

fn target_that_is_silent() -> String {
    closing_line(BlackHole::new().address())
}

/// An address of documentation. A name would be asked of this machine's name servers.
fn address_that_is_nobodys() -> String {
    let settings = Settings::on(tailnet()).connect("192.0.2.1:22");
    let node = settings.start(tailnet());
    let _client = socket::connect(node.local());
    node.wait_for_text("connection ended")
}

fn cap() -> String {
    let target = socket::listen();
    let node = Settings::on(tailnet())
        .set("TS_MAX_CONNECTIONS", "1")
        .expose(7000, socket::address(&target))
        .start(tailnet());
    peer().greet(node.address());
    let _client = peer().dial(node.at(7000));
    let _served = socket::accept(&target);
    // Whether the second one is reset before or after it is connected is open.
    let _refused = peer().try_dial(node.at(7000));
    node.wait_for_text("connections refused")
}

fn expired_key() -> String {
    let tailnet = Tailnet::start();
    let node = alone(&tailnet).start(&tailnet);
    tailnet.expire(&node.ready().hostname);
    node.wait_for_text("not ready")
}

fn deleted_node() -> String {
    let tailnet = Tailnet::start();
    let mut node = alone(&tailnet).start(&tailnet);
    tailnet.delete(&node.ready().hostname);
    assert_eq!(node.wait_code(PATIENCE), 77);
    node.log()
}
