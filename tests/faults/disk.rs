//! The file system under the state directory is full, or read-only.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::process::Command;

use rustix::process::Signal;

use crate::flow::Flow;
use crate::support::child::Child;
use crate::support::patience::PATIENCE;
use crate::support::settings::Settings;
use crate::support::socket;
use crate::support::tailnet::Tailnet;

/// Puts a file system of its own under the state directory, for one process: its
/// mount options, then the program.
const ON_A_DISK: &str = r#"
mount -t tmpfs -o "$2,mode=700" tmpfs "$1"
[ -z "$3" ] || mount -o "remount,$3" "$1"
shift 3
exec "$@"
"#;

/// The program with its state on a disk of that size; `then` are options that the
/// disk gets when it has been mounted.
fn on_a_disk(settings: &Settings, size: &str, then: &str) -> Command {
    let state = settings.directory().state();
    let _ = fs::create_dir(&state);
    let state = state.to_str().unwrap();
    let own_mounts = ["unshare", "--mount", "--propagation", "private", "--"];
    let mount = ["sh", "-ec", ON_A_DISK, "disk", state, size, then];
    let launcher = [&own_mounts[..], &mount[..]].concat();
    settings.clone().launched_by(&launcher).command()
}

/// Fills the disk that a process has its state on.
fn fill(node: &Child, settings: &Settings) {
    let state = settings.directory().state();
    let inside = format!("/proc/{}/root{}", node.pid(), state.display());
    let mut ballast = OpenOptions::new()
        .create(true)
        .append(true)
        .open(format!("{inside}/ballast"))
        .unwrap();
    let full = loop {
        if let Err(error) = ballast.write_all(&[1; 4096]) {
            break error;
        }
    };
    assert_eq!(full.kind(), ErrorKind::StorageFull);
}

#[track_caller]
fn error_line(node: &Child) -> String {
    let line = node
        .stderr
        .wait(PATIENCE, |line| line.starts_with("ERROR {"));
    line.expect("the reason")
}

#[test]
#[ignore = "needs root and network namespaces: make interop"]
fn a_full_disk_ends_the_start_with_1() {
    let tailnet = Tailnet::start();
    let settings = crate::stage::alone(Settings::on(&tailnet));
    let mut node = Child::start("tailport", &mut on_a_disk(&settings, "size=4k", ""));
    assert_eq!(node.wait_exit(PATIENCE).code(), Some(1));
    let line = error_line(&node);
    assert!(line.contains(r#""kind":"state_unusable""#), "{line}");
    assert!(line.contains("no space left on device"), "{line}");
}

#[test]
#[ignore = "needs root and network namespaces: make interop"]
fn a_read_only_file_system_ends_the_start_with_1() {
    let tailnet = Tailnet::start();
    let settings = crate::stage::alone(Settings::on(&tailnet));
    let mut node = Child::start("tailport", &mut on_a_disk(&settings, "size=1m", "ro"));
    assert_eq!(node.wait_exit(PATIENCE).code(), Some(1));
    let line = error_line(&node);
    assert!(line.contains(r#""kind":"state_unusable""#), "{line}");
    assert!(line.contains("Read-only file system"), "{line}");
    assert!(line.contains("TS_STATE_DIR"), "{line}");
}

#[test]
#[ignore = "needs root and network namespaces: make interop"]
fn a_disk_that_fills_does_not_stop_a_running_node() {
    let tailnet = Tailnet::start();
    let target = socket::listen();
    let settings = Settings::on(&tailnet).expose(7000, target.local_addr().unwrap());
    let mut node = Child::start("tailport", &mut on_a_disk(&settings, "size=1m", ""));
    let ready = node.ready(PATIENCE);
    let (address, name) = (
        ready["addresses"][0].as_str().unwrap(),
        ready["hostname"].as_str().unwrap(),
    );
    tailnet.wait_reachable(address.parse().unwrap());
    let client = Settings::on(&tailnet)
        .set("TS_DIAL_TIMEOUT", "20s")
        .connect(format!("{address}:7000"))
        .start(&tailnet);
    let mut flow = Flow::of((socket::connect(client.local()), socket::accept(&target)));
    flow.talks();

    fill(&node, &settings);
    // What makes a node write its state.
    tailnet.expire(name);
    node.stderr
        .wait(PATIENCE, |line| line.contains("not ready"))
        .expect("it expires");
    let mark = node.stderr.mark();
    tailnet.extend(name);
    node.stderr
        .wait_from(mark, PATIENCE, |line| line.contains("ready again"))
        .expect("it is back");
    flow.talks();
    Flow::of((socket::connect(client.local()), socket::accept(&target))).talks();
    drop(flow);
    node.signal(Signal::TERM);
    assert_eq!(node.wait_exit(PATIENCE).code(), Some(0));
}
