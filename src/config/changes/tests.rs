//! Tests of the difference between two configurations.

use std::ffi::OsString;

use super::*;
use crate::config::variables::{Group, VARIABLES};
use crate::config::{Arguments, parse};

fn config(pairs: &[(&str, &str)]) -> Config {
    let home = [("HOME", "/home/someone")];
    let pairs = home.iter().chain(pairs);
    let environment = pairs.map(|(name, text)| (OsString::from(name), OsString::from(text)));
    let parsed = parse(&Arguments::default(), environment);
    parsed
        .unwrap_or_else(|problems| panic!("{problems}"))
        .config
}

fn shown(forwards: &[Forward]) -> Vec<String> {
    forwards.iter().map(ToString::to_string).collect()
}

/// The changes between two lists of exposes and connects.
fn between(old: (&str, &str), new: (&str, &str)) -> Changes {
    let config = |(expose, connect)| config(&[("TS_EXPOSE", expose), ("TS_CONNECT", connect)]);
    changes(&config(old), &config(new))
}

#[test]
fn nothing_is_different_between_equals() {
    let lists = ("22,53/udp=ns:53", "80=a:1,unix:/run/a=b:2");
    let found = between(lists, lists);
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(found.kept.len(), 4);
    let order = between(("22,23", "80=a:1"), ("23,22", "80=a:1"));
    assert!(order.is_empty(), "the order is no difference: {order:?}");
}

#[test]
fn forwards_are_told_apart_by_where_they_listen() {
    let found = between(
        ("22,23,24=a:1", "80=a:1"),
        ("22,24=b:1,25", "80=a:1|b:1,81=a:1"),
    );
    assert_eq!(shown(&found.kept), ["22=127.0.0.1:22"]);
    assert_eq!(shown(&found.removed), ["23=127.0.0.1:23"]);
    assert_eq!(shown(&found.added), ["25=127.0.0.1:25", "127.0.0.1:81=a:1"]);
    let pairs = found.changed.iter();
    let pairs: Vec<_> = pairs
        .map(|(old, new)| (old.to_string(), new.to_string()))
        .collect();
    let wanted = [
        ("24=a:1", "24=b:1"),
        ("127.0.0.1:80=a:1", "127.0.0.1:80=a:1|b:1"),
    ];
    assert_eq!(pairs, wanted.map(|(a, b)| (a.to_owned(), b.to_owned())));
    assert!(found.restart_needed.is_empty() && !found.is_empty());
}

#[test]
fn another_protocol_is_another_forward() {
    let found = between(("443=a:1", "80=a:1"), ("443/tls=a:1", "80=a:1"));
    assert_eq!(shown(&found.removed), ["443=a:1"]);
    assert_eq!(shown(&found.added), ["443/tls=a:1"]);
}

#[test]
fn options_and_names_make_a_forward_different() {
    let old = config(&[("TS_EXPOSE", "22")]);
    for change in [
        (|forward| forward.name = Some("ssh".into())) as fn(&mut Forward),
        |forward| forward.options.idle_timeout = Some(std::time::Duration::ZERO),
        |forward| forward.options.socket.mode = 0o660,
    ] {
        let mut new = old.clone();
        change(&mut new.forwards[0]);
        assert_eq!(changes(&old, &new).changed.len(), 1);
    }
}

#[test]
fn forwards_on_ports_that_the_system_chooses_are_paired_off() {
    let found = between(("22", "0=a:1,0=b:1,0=c:1"), ("22", "0=c:1,0=a:1,0=d:1"));
    assert_eq!(found.kept.len(), 3);
    assert_eq!(found.changed.len(), 1);
    assert_eq!((found.added.len(), found.removed.len()), (0, 0));
    let found = between(("22", "0=a:1"), ("22", "0=a:1,0=a:1"));
    assert_eq!((found.kept.len(), found.added.len()), (2, 1));
}

#[test]
fn every_setting_that_differs_is_named() {
    let login = [("TS_EXPOSE", "22"), ("TS_TAGS", "tag:a")];
    let mut named = Vec::new();
    for (name, one, other) in [
        ("TS_AUTHKEY", "tskey-1", "tskey-2"),
        ("TS_CLIENT_SECRET", "tskey-client-1", "tskey-client-2"),
        ("TS_CONTROL_URL", "http://a", "http://b"),
        ("TS_HOSTNAME", "a", "b"),
        ("TS_STATE_DIR", "/a", "/b"),
        ("TS_EPHEMERAL", "true", "false"),
        ("TS_TIMEOUT", "1s", "2s"),
        ("TS_LOGIN_TIMEOUT", "1s", "2s"),
        ("TS_DIAL_TIMEOUT", "1s", "2s"),
        ("TS_IDLE_TIMEOUT", "0", "2s"),
        ("TS_DRAIN_TIMEOUT", "1s", "2s"),
        ("TS_KEEPALIVE", "0", "2s"),
        ("TS_MAX_CONNECTIONS", "1", "2"),
        ("TS_MEMORY_LIMIT", "auto", "64MiB"),
        ("TS_ADMIN_ADDR", "off", "9090"),
        ("TS_SOCKS5_ADDR", "off", "1080"),
        ("TS_LOG", "info", "warn"),
        ("TS_LOG_FORMAT", "text", "json"),
        ("TS_LOG_UPLOAD", "true", "false"),
    ] {
        let with = |text| config(&[login[0], login[1], (name, text)]);
        let found = changes(&with(one), &with(other));
        assert_eq!(found.restart_needed, [name]);
        assert_eq!(found.kept.len(), 1);
        assert!(changes(&with(one), &with(one)).is_empty(), "{name}");
        named.push(name);
    }
    let tags = |tags| config(&[("TS_EXPOSE", "22"), ("TS_TAGS", tags)]);
    let found = changes(&tags("tag:a"), &tags("tag:b"));
    assert_eq!(found.restart_needed, ["TS_TAGS"]);
    named.push("TS_TAGS");
    for variable in VARIABLES {
        // A file's content is the value of the other variable.
        let of_another = variable.name.ends_with("_FILE") || variable.name == "TS_CONFIG";
        let is_setting = variable.group != Group::Forwards && !of_another;
        assert_eq!(
            named.contains(&variable.name),
            is_setting,
            "{}",
            variable.name
        );
    }
}
