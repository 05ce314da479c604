//! The node's identity: kept over a restart, of one instance at a time, gone with
//! an ephemeral node.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use crate::stage;
use crate::support::patience::{PATIENCE, eventually};
use crate::support::settings::Settings;

const STOPPING: Duration = Duration::from_secs(10);

#[test]
fn a_restart_with_the_same_state_and_no_key_has_the_same_address() {
    let settings = Settings::on(stage::tailnet()).expose(7000, "127.0.0.1:9");
    let mut first = settings.start(stage::tailnet());
    let mode = fs::metadata(first.home().state()).unwrap().permissions();
    assert_eq!(mode.mode() & 0o7777, 0o700, "the state is private");
    first.terminate();
    assert_eq!(first.wait_code(STOPPING), 0);

    let again = settings.unset("TS_AUTHKEY_FILE").home(first.home());
    let second = again.start(stage::tailnet());
    assert_eq!(second.ready().addresses, first.ready().addresses);
    assert_eq!(second.ready().hostname, first.ready().hostname);
}

#[test]
fn a_node_that_was_killed_starts_again_with_the_same_address() {
    let settings = Settings::on(stage::tailnet()).expose(7000, "127.0.0.1:9");
    let mut first = settings.start(stage::tailnet());
    first.kill();
    assert!(!first.wait_exit(STOPPING).success());

    let again = settings.unset("TS_AUTHKEY_FILE").home(first.home());
    let second = again.start(stage::tailnet());
    assert_eq!(second.ready().addresses, first.ready().addresses);
}

#[test]
fn a_second_instance_on_one_state_directory_is_refused_and_the_first_goes_on() {
    let settings = Settings::on(stage::tailnet()).expose(7000, "127.0.0.1:9");
    let mut first = settings.start(stage::tailnet());
    let mut second = settings.clone().home(first.home()).spawn();
    assert_eq!(second.wait_code(STOPPING), 1);
    let log = second.log();
    assert!(log.contains("is in use by another instance"), "{log}");
    assert!(log.contains("TS_STATE_DIR"), "it says what to do: {log}");
    assert!(first.has_ended().is_none());
}

#[test]
fn a_state_directory_that_others_may_read_is_refused() {
    let settings = Settings::on(stage::tailnet()).expose(7000, "127.0.0.1:9");
    let home = crate::support::home::Home::new();
    fs::create_dir(home.state()).unwrap();
    fs::set_permissions(home.state(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut node = settings.home(&home).spawn();
    assert_eq!(node.wait_code(STOPPING), 64);
    let log = node.log();
    assert!(log.contains("open to other users (mode 0755)"), "{log}");
}

#[test]
fn an_ephemeral_node_is_gone_from_the_tailnet_after_sigterm_and_another_one_stays() {
    let tailnet = stage::tailnet();
    let settings = Settings::on(tailnet).expose(7000, "127.0.0.1:9");
    let mut lasting = settings.clone().start(tailnet);
    let mut passing = Settings::on(tailnet)
        .expose(7000, "127.0.0.1:9")
        .set("TS_EPHEMERAL", "true")
        .start(tailnet);
    let name = |node: &crate::support::tailport::Tailport| node.ready().hostname.clone();
    let (lasting_name, passing_name) = (name(&lasting), name(&passing));
    assert!(tailnet.node(&passing_name).expect("it is known").ephemeral);
    assert!(!tailnet.node(&lasting_name).expect("it is known").ephemeral);

    lasting.terminate();
    passing.terminate();
    assert_eq!(passing.wait_code(STOPPING), 0);
    assert_eq!(lasting.wait_code(STOPPING), 0);
    assert!(tailnet.node(&passing_name).is_none(), "it has logged out");
    eventually("the other one is offline", PATIENCE, || {
        tailnet
            .node(&lasting_name)
            .is_some_and(|node| !node.polling)
    });
}
