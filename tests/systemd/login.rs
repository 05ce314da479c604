//! How a service logs in: by a credential, or by a person who takes their time.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::manager::Manager;
use crate::support::home::Home;
use crate::support::patience::PATIENCE;
use crate::support::settings::Settings;
use crate::support::tailnet::Tailnet;

/// A directory of credentials as systemd makes it: nothing in it can be changed.
fn credentials(home: &Home, name: &str, text: &str) -> std::path::PathBuf {
    let directory = home.path().join("credentials");
    fs::create_dir(&directory).unwrap();
    let file = directory.join(name);
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o400)).unwrap();
    fs::set_permissions(&directory, Permissions::from_mode(0o500)).unwrap();
    directory
}

#[test]
fn a_key_that_is_a_credential_is_found_by_itself_and_a_bad_one_ends_with_77() {
    let tailnet = Tailnet::start();
    for (key, code) in [(tailnet.key(), 0), ("tskey-auth-wrong", 77)] {
        let manager = Manager::new();
        let settings = Settings::without_key(&tailnet).expose(7000, "127.0.0.1:9");
        let directory = credentials(settings.directory(), "ts-authkey", &format!("{key}\n"));
        let settings = settings.set("CREDENTIALS_DIRECTORY", directory);
        let mut node = manager.of(settings).spawn();
        if code == 0 {
            manager.wait_for_status("ready as ");
            node.terminate();
        } else {
            let status = manager.wait_for_status("failed: ");
            assert!(status.contains("refused the login"), "{status}");
        }
        assert_eq!(node.wait_code(PATIENCE), code);
        let all = manager.heard().join("\n") + &node.log();
        assert!(!all.contains(key), "the key was told");
    }
}

#[test]
fn a_credential_that_is_no_key_ends_the_start_with_64() {
    let settings = Settings::bare().expose(7000, "127.0.0.1:9");
    let directory = credentials(settings.directory(), "ts-authkey", "two words\n");
    let mut node = settings.set("CREDENTIALS_DIRECTORY", directory).spawn();
    assert_eq!(node.wait_code(PATIENCE), 64);
    node.wait_for_text("credential ts-authkey");
}

#[test]
fn a_person_has_the_time_that_the_program_grants_whatever_the_managers_timeout() {
    let tailnet = Tailnet::start();
    tailnet.key_policy("login");
    let manager = Manager::new();
    let settings = Settings::without_key(&tailnet).expose(7000, "127.0.0.1:9");
    let settings = settings.set("WATCHDOG_USEC", "3000000");
    let mut node = manager.of(settings).spawn();
    let status = manager.wait_for_status("starting: visit ");
    let url = status.split(' ').nth(2).expect("a URL");
    manager.wait_for_more(2, "EXTEND_TIMEOUT_USEC=30000000");
    manager.wait_for_more(2, "WATCHDOG=1");
    assert!(!manager.heard().contains(&"READY=1".to_owned()));
    tailnet.complete_login(url);
    manager.wait_for_status("ready as ");
    manager.only("READY=1");
    let after = manager.heard().split_off(manager.only("READY=1"));
    assert!(!after.join("\n").contains(url), "{after:#?}");
    node.terminate();
    assert_eq!(node.wait_code(PATIENCE), 0);
}
