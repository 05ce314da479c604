//! The state directory: used by another instance, or one that this process cannot
//! write any more.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use rustix::process::{Signal, geteuid};

use crate::flow::Flow;
use crate::stage;
use crate::support::child::Child;
use crate::support::patience::PATIENCE;
use crate::support::settings::Settings;
use crate::support::socket;
use crate::support::tailnet::Tailnet;

#[test]
fn a_second_instance_is_refused_and_the_first_one_goes_on() {
    let (tailnet, peer) = (stage::tailnet(), stage::peer());
    let target = socket::listen();
    let settings = Settings::on(tailnet).expose(7000, target.local_addr().unwrap());
    let node = settings.start(tailnet);
    let mut flow = Flow::of((peer.dial(node.at(7000)), socket::accept(&target)));
    flow.talks();

    let mut second = settings.spawn();
    assert_eq!(second.wait_code(PATIENCE), 1);
    let line = second.wait_for_text("ERROR {");
    assert!(line.contains("in use by another instance"), "{line}");
    assert!(line.contains("TS_STATE_DIR"), "{line}");
    assert!(second.stdout().lines().is_empty());
    flow.talks();
    Flow::of((peer.dial(node.at(7000)), socket::accept(&target))).talks();
}

/// The program under the rules that a file's mode makes; root is above them
/// until it gives that up.
fn under_file_modes(settings: &Settings) -> Command {
    if !geteuid().is_root() {
        return settings.command();
    }
    let without_privileges = [
        "setpriv",
        "--bounding-set=-dac_override,-dac_read_search",
        "--inh-caps=-all",
        "--",
    ];
    settings.clone().launched_by(&without_privileges).command()
}

/// Makes a directory read-only, or private again.
fn set_writable(settings: &Settings, writable: bool) {
    let mode = if writable { 0o700 } else { 0o500 };
    fs::set_permissions(settings.directory().state(), Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_state_directory_that_cannot_be_written_is_refused_at_the_start() {
    let tailnet = stage::tailnet();
    let settings = stage::alone(Settings::on(tailnet));
    fs::create_dir(settings.directory().state()).unwrap();
    set_writable(&settings, false);
    let mut node = Child::start("tailport", &mut under_file_modes(&settings));
    assert_eq!(node.wait_exit(PATIENCE).code(), Some(64));
    let line = node
        .stderr
        .wait(PATIENCE, |line| line.starts_with("ERROR {"));
    let line = line.expect("the reason");
    assert!(line.contains(r#""kind":"state_unusable""#), "{line}");
    assert!(line.contains("must be able to write"), "{line}");
    assert!(line.contains("TS_STATE_DIR"), "{line}");
}

#[test]
fn a_state_directory_that_becomes_read_only_does_not_stop_a_running_node() {
    let tailnet = Tailnet::start();
    let target = socket::listen();
    let settings = Settings::on(&tailnet).expose(7000, target.local_addr().unwrap());
    let mut node = Child::start("tailport", &mut under_file_modes(&settings));
    let ready = node.ready(PATIENCE);
    let address = ready["addresses"][0].as_str().unwrap();
    let name = ready["hostname"].as_str().unwrap();
    tailnet.wait_reachable(address.parse().unwrap());
    let client = Settings::on(&tailnet)
        .set("TS_DIAL_TIMEOUT", "20s")
        .connect(format!("{address}:7000"))
        .start(&tailnet);
    let mut flow = Flow::of((socket::connect(client.local()), socket::accept(&target)));
    flow.talks();

    set_writable(&settings, false);
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
    assert!(node.has_ended().is_none());

    drop(flow);
    node.signal(Signal::TERM);
    assert_eq!(node.wait_exit(PATIENCE).code(), Some(0));
    let mut again = Child::start("tailport", &mut under_file_modes(&settings));
    // What it knows is enough for a restart.
    assert_eq!(again.ready(PATIENCE)["addresses"], ready["addresses"]);
    set_writable(&settings, true);
}
