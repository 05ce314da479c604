//! A service's life as the manager hears it: the start, reloads, the stop.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;

use rustix::time::{ClockId, clock_gettime};

use crate::manager::Manager;
use crate::support::patience::PATIENCE;
use crate::support::settings::Settings;
use crate::support::shared::{peer, tailnet};
use crate::support::socket;
use crate::support::tailnet::Tailnet;

/// A target that nobody asks.
const NOBODY: &str = "[[expose]]\nlisten = 7000\ntarget = '127.0.0.1:9'\n";

fn monotonic_microseconds() -> i128 {
    let now = clock_gettime(ClockId::Monotonic);
    i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000
}

#[test]
fn a_start_reloads_and_a_stop_are_told_in_order() {
    let (manager, target) = (Manager::new(), socket::listen());
    peer();
    let settings = manager.of(Settings::on(tailnet()));
    let one = format!(
        "[[expose]]\nlisten = 7000\ntarget = '{}'\n",
        socket::address(&target)
    );
    let file = settings.directory().write_secret("tailport.toml", &one);
    let settings = settings
        .set("TS_CONFIG", &file)
        .set("TS_DRAIN_TIMEOUT", "60s");
    let mut node = settings.start(tailnet());
    peer().greet(node.address());

    manager.wait_for_status("ready as ");
    let ready = manager.only("READY=1");
    let heard = manager.heard();
    assert_eq!(heard[0], "EXTEND_TIMEOUT_USEC=30000000", "{heard:#?}");
    assert_eq!(heard[1], "STATUS=starting", "{heard:#?}");
    let status = &heard[ready + 1];
    let name = &node.ready().hostname;
    assert!(
        status.starts_with(&format!("STATUS=ready as {name}.")),
        "{status}"
    );
    for address in &node.ready().addresses {
        assert!(status.contains(&address.to_string()), "{status}");
    }
    assert!(status.ends_with("), 1 forward, 0 connections"), "{status}");

    // A connection is counted without anything else that happens.
    let at = SocketAddr::new(node.address(), 7000);
    let mut client = peer().dial(at);
    let served = socket::accept(&target);
    manager.wait_for_status("1 forward, 1 connection");

    let mark = manager.mark();
    let before = monotonic_microseconds();
    let two = format!("{one}{}", NOBODY.replace("7000", "7001"));
    fs::write(&file, two).unwrap();
    node.hang_up();
    manager.wait_for_status_from(mark, "2 forwards, 1 connection");
    let heard = manager.heard().split_off(mark);
    assert_eq!(heard[0], "RELOADING=1", "{heard:#?}");
    let time = heard[1].strip_prefix("MONOTONIC_USEC=").expect("a time");
    let time: i128 = time.parse().unwrap();
    assert!(before <= time && time <= monotonic_microseconds(), "{time}");
    assert_eq!(heard[2..4], ["STATUS=reloading", "READY=1"]);

    let mark = manager.mark();
    fs::write(&file, "nonsense = 1\n").unwrap();
    node.hang_up();
    let status = manager.wait_for_status_from(mark, "the last reload changed nothing");
    assert!(
        status.contains("2 forwards") && status.contains("nonsense"),
        "{status}"
    );
    let heard = manager.heard().split_off(mark);
    assert_eq!((&*heard[0], &*heard[3]), ("RELOADING=1", "READY=1"));

    let mark = manager.mark();
    node.terminate();
    manager.wait_for_status_from(mark, "draining, 1 connection left");
    let heard = manager.heard().split_off(mark);
    let extended = ["STOPPING=1", "EXTEND_TIMEOUT_USEC=30000000"];
    assert_eq!(heard[..2], extended, "{heard:#?}");
    // As long as there is something to wait for.
    manager.wait_for_more(2, "EXTEND_TIMEOUT_USEC=");
    client.write_all(b"the end").unwrap();
    drop((client, served));
    assert_eq!(node.wait_code(PATIENCE), 0);
    manager.only("STOPPING=1");
    let readies = manager.heard().into_iter().filter(|word| word == "READY=1");
    assert_eq!(readies.count(), 3);
}

#[test]
fn a_start_that_waits_for_the_control_server_asks_for_patience_and_then_says_why_it_ended() {
    let tailnet = Tailnet::start();
    tailnet.control("refuse");
    let manager = Manager::new();
    let settings = Settings::on(&tailnet).expose(7000, "127.0.0.1:9");
    let mut node = manager.of(settings).set("TS_TIMEOUT", "12s").spawn();
    manager.wait_for_status("starting: the control server cannot be asked yet: ");
    manager.wait_for_more(1, "EXTEND_TIMEOUT_USEC=30000000");
    assert_eq!(node.wait_code(PATIENCE), 69);
    let status = manager.wait_for_status("failed: ");
    assert!(status.contains("within TS_TIMEOUT (12s)"), "{status}");
    assert!(!manager.heard().contains(&"READY=1".to_owned()));
}

#[test]
fn a_stop_during_the_start_is_told() {
    let tailnet = Tailnet::start();
    tailnet.control("silent");
    let manager = Manager::new();
    let settings = Settings::on(&tailnet).expose(7000, "127.0.0.1:9");
    let mut node = manager.of(settings).set("TS_TIMEOUT", "60s").spawn();
    manager.wait_for_status("starting");
    node.terminate();
    assert_eq!(node.wait_code(PATIENCE), 0);
    assert!(manager.only("STOPPING=1") < manager.only("STATUS=stopping"));
    assert!(!manager.heard().contains(&"READY=1".to_owned()));
}

#[test]
fn a_manager_that_is_gone_is_done_without() {
    let gone = Settings::on(tailnet()).expose(7000, "127.0.0.1:9");
    let place = gone.directory().path().join("nobody");
    let mut node = gone.set("NOTIFY_SOCKET", &place).start(tailnet());
    node.wait_for_text("NOTIFY_SOCKET");
    node.terminate();
    assert_eq!(node.wait_code(PATIENCE), 0);
}
