//! Tests of the metrics: what is in them, and that Prometheus' own checker has nothing to say.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::*;
use crate::admin::node_status::{Phase, RUNNING};
use crate::telemetry::metrics::Ended;
use crate::telemetry::registry::Registry;

/// Metrics in which every family has a sample.
fn full() -> String {
    let registry = Registry::default();
    let metrics = registry.forward("expose 22/tcp", "127.0.0.1:22");
    let active = metrics.begin_flow();
    metrics.begin().end(Ended::DialFailed);
    metrics.dialed(Duration::from_millis(3), None);
    metrics.dialed(Duration::from_secs(7), Some("timed_out"));
    metrics
        .traffic()
        .to_peer
        .fetch_add(42, std::sync::atomic::Ordering::Relaxed);
    let mut node = NodeStatus {
        phase: Phase::Serving,
        key_expiry: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)),
        ..NodeStatus::default()
    };
    node.enter(RUNNING);
    let text = text(&Sources {
        node: &node,
        forwards: &registry.snapshot(),
        limit: 1000,
        paths: Some(PathCounts {
            direct: 3,
            idle: 2,
            ..PathCounts::default()
        }),
        library: Some(LibraryCounts {
            goroutines: 71,
            ..LibraryCounts::default()
        }),
        process: Process::read(),
    });
    drop(active);
    text
}

#[test]
fn every_forward_has_its_own_series() {
    let text = full();
    let lines: Vec<&str> = text.lines().collect();
    for line in [
        "tailport_ready 1",
        "tailport_connections_limit 1000",
        "tailport_connections_active{forward=\"expose 22/tcp\"} 1",
        "tailport_udp_flows_active{forward=\"expose 22/tcp\"} 1",
        "tailport_connections_accepted_total{forward=\"expose 22/tcp\"} 2",
        "tailport_connections_ended_total{forward=\"expose 22/tcp\",how=\"dial_failed\"} 1",
        "tailport_transferred_bytes_total{forward=\"expose 22/tcp\",direction=\"to_peer\"} 42",
        "tailport_dial_duration_seconds_bucket{forward=\"expose 22/tcp\",le=\"0.005\"} 1",
        "tailport_dial_duration_seconds_bucket{forward=\"expose 22/tcp\",le=\"+Inf\"} 2",
        "tailport_dial_duration_seconds_sum{forward=\"expose 22/tcp\"} 7.003",
        "tailport_dial_errors_total{forward=\"expose 22/tcp\",kind=\"timed_out\"} 1",
        "tailport_connection_duration_seconds_count{forward=\"expose 22/tcp\"} 1",
        "tailport_node_state{state=\"Running\"} 1",
        "tailport_node_state{state=\"Stopped\"} 0",
        "tailport_node_key_expiry_timestamp_seconds 1800000000",
        "tailport_library_goroutines 71",
        "tailport_peers{path=\"direct\"} 3",
        "tailport_peers{path=\"relay\"} 0",
        "tailport_peers{path=\"idle\"} 2",
    ] {
        assert!(lines.contains(&line), "{line} is not in\n{text}");
    }
}

#[test]
fn what_is_not_known_is_absent() {
    let text = text(&Sources {
        node: &NodeStatus::default(),
        forwards: &[],
        limit: 1,
        paths: None,
        library: None,
        process: None,
    });
    assert!(text.contains("tailport_ready 0\n"), "{text}");
    for absent in [
        "tailport_library_",
        "tailport_peers",
        "process_",
        "key_expiry",
    ] {
        assert!(!text.contains(absent), "{absent} in\n{text}");
    }
}

#[test]
fn every_metric_is_in_the_document() {
    let document = include_str!("../../../docs/operations.md");
    let text = full();
    let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let names: Vec<_> = names.filter_map(|rest| rest.split(' ').next()).collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        let row = document
            .lines()
            .any(|line| line.starts_with(&format!("| `{name}` |")));
        assert!(row, "docs/operations.md has no row for {name}");
    }
}

/// Needs `promtool`, of Debian's package prometheus. Without it there is nothing to ask.
#[test]
fn the_checker_of_prometheus_has_nothing_to_say_where_it_is_installed() {
    let checker = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut checker) = checker else {
        eprintln!("promtool is not installed: the metrics are not checked with it");
        return;
    };
    let mut pipe = checker.stdin.take().unwrap();
    pipe.write_all(full().as_bytes()).unwrap();
    drop(pipe);
    let said = checker.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success() && text.is_empty(), "{text}");
}
