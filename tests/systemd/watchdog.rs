//! The watchdog is fed at the rate that it asks for, whatever the control server does.

use std::time::Duration;

use crate::manager::Manager;
use crate::support::patience::PATIENCE;
use crate::support::settings::Settings;
use crate::support::tailnet::Tailnet;

/// The limit that the manager sets: three signs are due in it.
const LIMIT: Duration = Duration::from_secs(3);

#[test]
fn signs_of_life_come_while_the_control_server_is_away_and_when_the_key_has_expired() {
    let tailnet = Tailnet::start();
    let manager = Manager::new();
    let limit = LIMIT.as_micros().to_string();
    let settings = Settings::on(&tailnet).expose(7000, "127.0.0.1:9");
    let mut node = manager
        .of(settings)
        .set("WATCHDOG_USEC", limit)
        .start(&tailnet);
    manager.wait("a sign of life", |word| word == "WATCHDOG=1");
    let name = node.ready().hostname.clone();

    tailnet.expire(&name);
    manager.wait_for_status("not ready: the node's key has expired");
    manager.wait_for_more(2, "WATCHDOG=1");
    tailnet.extend(&name);

    tailnet.control("refuse");
    manager.wait_for_more(4, "WATCHDOG=1");
    node.terminate();
    assert_eq!(node.wait_code(PATIENCE), 0);
}

#[test]
fn a_watchdog_that_is_another_processs_gets_nothing() {
    let tailnet = Tailnet::start();
    let manager = Manager::new();
    let settings = Settings::on(&tailnet).expose(7000, "127.0.0.1:9");
    let settings = settings
        .set("WATCHDOG_USEC", "300000")
        .set("WATCHDOG_PID", "1");
    let mut node = manager.of(settings).start(&tailnet);
    manager.wait_for_status("ready as ");
    node.terminate();
    assert_eq!(node.wait_code(PATIENCE), 0);
    assert!(!manager.heard().contains(&"WATCHDOG=1".to_owned()));
}
