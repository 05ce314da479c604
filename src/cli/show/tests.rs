//! Tests of answers for people.

use super::*;
use crate::admin::{Connections, RUNNING, Remark};

fn report() -> Report {
    let mut node = NodeStatus {
        phase: Phase::Serving,
        hostname: "office-pc".to_owned(),
        dns_name: Some("office-pc.tail.example".to_owned()),
        addresses: vec!["100.64.0.7".parse().unwrap(), "fd7a::7".parse().unwrap()],
        ..NodeStatus::default()
    };
    node.enter(RUNNING);
    Report {
        version: "1.2.3".to_owned(),
        ready: true,
        reasons: Vec::new(),
        uptime_seconds: 3 * 3600 + 120,
        node,
        connections: Connections {
            active: 2,
            flows: 0,
            limit: 1000,
            accepted: 34,
            refused: 1,
            denied: 0,
        },
        forwards: vec![ForwardReport {
            name: "connect 127.0.0.1:33389-and-far-too-long".to_owned(),
            target: "a-host-with-a-long-name.tail.example:3389".to_owned(),
            active: 99999,
            accepted: 1_000_000,
            refused: 1,
            denied: 3,
            dial_failed: 2,
            to_target_bytes: u64::MAX,
            to_peer_bytes: 1023 * 1024,
        }],
        recent: Vec::new(),
    }
}

#[track_caller]
fn fits(text: &str) {
    for line in text.lines() {
        assert!(
            line.chars().count() <= WIDTH,
            "{} columns: {line}",
            line.chars().count()
        );
    }
}

#[test]
fn status_says_what_matters_in_80_columns() {
    let text = status(&report(), Paint::none());
    fits(&text);
    for part in [
        "office-pc is ready\n",
        "  addresses  100.64.0.7 fd7a::7\n",
        "  key        does not expire\n",
        "  up         3h 2m\n",
        "  open       2 of 1000 connections, 34 so far, 1 refused\n",
        "  1 refused, 3 denied, 2 dials failed\n",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

#[test]
fn status_says_why_it_is_not_ready_and_where_to_log_in() {
    let mut report = report();
    report.node.ask_for_login("https://login.example/a/1234");
    report.node.health = vec![Remark {
        code: "x".to_owned(),
        text: "a long remark ".repeat(12) + "\x1b[31mred\x07",
    }];
    report.ready = false;
    report.reasons = report.node.reasons();
    let text = status(&report, Paint::none());
    fits(&text);
    assert!(
        text.starts_with("office-pc is not ready\n  - someone must log"),
        "{text}"
    );
    assert!(
        text.contains("\n  log in at  https://login.example/a/1234\n"),
        "{text}"
    );
    assert!(!text.contains(['\x1b', '\x07']), "{text}");
}

#[test]
fn peers_are_one_line_each_in_80_columns() {
    let peer = |name: &str, online, last_seen| Peer {
        name: name.to_owned(),
        dns_name: None,
        addresses: vec![
            "fd7a:115c:a1e0::1".parse().unwrap(),
            "100.100.100.100".parse().unwrap(),
        ],
        online,
        user: (name == "a").then(|| "someone.with.a.long.name@example.com".to_owned()),
        tags: vec!["tag:server".to_owned()],
        last_seen,
    };
    let long_ago = SystemTime::now() - Duration::from_secs(999 * 86400 + 5 * 3600 + 60);
    let all = [
        peer("a", true, None),
        peer(&"b".repeat(60), false, Some(long_ago)),
        peer("c\n", false, None),
    ];
    let text = peers(&all, Paint::none());
    fits(&text);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert!(
        lines[1].contains(" 100.100.100.100 ") && lines[1].ends_with("online"),
        "{text}"
    );
    assert!(
        lines[2].contains("tag:server") && lines[2].ends_with(" 999d 5h ago"),
        "{text}"
    );
    assert!(lines[3].ends_with("offline"), "{text}");
    assert!(peers(&[], Paint::none()).contains("no peers"));
}

#[test]
fn numbers_of_bytes_fit_their_column() {
    for (count, shown) in [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0KiB"),
        (1024 * 1024 - 1, "1.0MiB"),
        (5 << 30, "5.0GiB"),
        (u64::MAX, "16.0EiB"),
    ] {
        assert_eq!(bytes(count), shown);
        assert!(bytes(count).len() <= 8);
    }
}

#[test]
fn a_probe_says_which_way_it_took() {
    let direct = Pong {
        name: "rdp-host".to_owned(),
        address: "100.64.0.9".parse().unwrap(),
        milliseconds: 12.345,
        via: "192.0.2.7:41641".to_owned(),
        direct: true,
    };
    let text = "rdp-host (100.64.0.9) answers in 12.3 ms, directly, at 192.0.2.7:41641\n";
    assert_eq!(pong(&direct), text);
    let relayed = Pong {
        via: "relay fra".to_owned(),
        direct: false,
        ..direct
    };
    assert!(pong(&relayed).ends_with("through relay fra\n"));
}
