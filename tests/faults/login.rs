//! Starts that the control server turns down: for good, or for now.

use std::time::{Duration, Instant};

use crate::stage::alone;
use crate::support::patience::PATIENCE;
use crate::support::settings::Settings;
use crate::support::tailnet::Tailnet;

/// "At once", with what a loaded machine adds; TS_TIMEOUT is 60 s in these tests.
const AT_ONCE: Duration = Duration::from_secs(15);

#[test]
fn a_refused_key_ends_the_start_with_77_at_once() {
    let tailnet = Tailnet::start();
    // What the control server thinks of keys, the key, what is to be in the error.
    let cases = [
        ("required", "tskey-auth-wrong", "not known"),
        ("login", "tskey-auth-wrong", "not known"),
        ("expired", tailnet.key(), "expired"),
        ("spent", tailnet.key(), "already used"),
        ("unauthorized", "tskey-auth-wrong", "401"),
        ("required", "", "an auth key is required"),
    ];
    for (policy, key, said) in cases {
        tailnet.key_policy(policy);
        let settings = alone(Settings::without_key(&tailnet)).set("TS_TIMEOUT", "60s");
        let settings = match key {
            "" => settings,
            key => settings.set("TS_AUTHKEY", key),
        };
        let start = Instant::now();
        let mut node = settings.spawn();
        assert_eq!(node.wait_code(PATIENCE), 77, "{policy}");
        assert!(start.elapsed() < AT_ONCE, "{policy}: {:?}", start.elapsed());
        let line = node.wait_for_text("ERROR {");
        assert!(
            line.contains(r#""kind":"login_refused""#),
            "{policy}: {line}"
        );
        assert!(line.contains(said), "{policy}: {line}");
        assert!(line.contains("TS_AUTHKEY_FILE"), "{policy}: {line}");
        assert!(node.stdout().lines().is_empty(), "{policy}");
        if !key.is_empty() {
            assert!(!node.log().contains(key), "{policy}: the key is in the log");
        }
    }
}

#[test]
fn a_control_server_in_trouble_is_waited_for() {
    let tailnet = Tailnet::start();
    tailnet.control("429");
    let mut node = alone(Settings::on(&tailnet))
        .set("TS_TIMEOUT", "60s")
        .spawn();
    for (mode, said) in [("429", "rate limited"), ("500", "500"), ("503", "503")] {
        tailnet.control(mode);
        let line = node.wait_for_log(mode, |line| {
            line.contains("cannot be asked yet") && line.contains(said)
        });
        assert!(line.contains("WARN"), "{line}");
        assert!(node.has_ended().is_none(), "{mode}");
    }
    tailnet.control("ok");
    node.wait_ready();
}

#[test]
fn trouble_before_and_after_the_registration_is_waited_for_too() {
    for (place, status) in [("door", 503), ("map", 500), ("map", 429)] {
        let tailnet = Tailnet::start();
        tailnet.control_at(place, status);
        let mut node = alone(Settings::on(&tailnet))
            .set("TS_TIMEOUT", "60s")
            .set("TS_LOG", "debug")
            .spawn();
        node.wait_for_text(&status.to_string());
        assert!(node.has_ended().is_none(), "{place}: {}", node.log());
        assert!(node.stdout().lines().is_empty(), "{place}");
        tailnet.control("ok");
        node.wait_ready();
    }
}

#[test]
fn a_control_server_that_stays_in_trouble_ends_the_start_with_69() {
    let tailnet = Tailnet::start();
    tailnet.control("503");
    let mut node = alone(Settings::on(&tailnet))
        .set("TS_TIMEOUT", "3s")
        .spawn();
    assert_eq!(node.wait_code(PATIENCE), 69);
    let line = node.wait_for_text("ERROR {");
    assert!(line.contains("503"), "{line}");
}
