//! The metrics as text, in the format that Prometheus reads (version 0.0.4).
//!
//! Written out here: the official client writes OpenMetrics alone, which older scrapers and
//! `promtool check metrics` do not read, and wants the counters to be registered with it a
//! second time. Names end in their base unit, counters in `_total`; label values are names of
//! forwards and words of the program, so there are only so many series.

use std::time::SystemTime;

use super::exposition_text::Text;
use super::node_status::{NodeStatus, STATES};
use super::operations::{LibraryCounts, PathCounts};
use crate::telemetry::process::Process;
use crate::telemetry::registry::ForwardSnapshot;

/// What the text is made of.
pub(super) struct Sources<'a> {
    pub(super) node: &'a NodeStatus,
    pub(super) forwards: &'a [ForwardSnapshot],
    pub(super) limit: u64,
    pub(super) paths: Option<PathCounts>,
    pub(super) library: Option<LibraryCounts>,
    pub(super) process: Option<Process>,
}

/// Writes all metrics.
pub(super) fn text(sources: &Sources) -> String {
    let mut text = Text::default();
    program(&mut text, sources);
    node(&mut text, sources.node);
    if let Some(counts) = &sources.paths {
        paths(&mut text, counts);
    }
    connections(&mut text, sources.forwards);
    traffic(&mut text, sources.forwards);
    if let Some(counts) = &sources.library {
        library(&mut text, counts);
    }
    if let Some(now) = &sources.process {
        process(&mut text, now);
    }
    text.finish()
}

fn program(text: &mut Text, sources: &Sources) {
    text.gauge("tailport_build_info", "The program's version.");
    text.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    text.gauge("tailport_ready", "Whether connections can be carried now.");
    text.sample(&[], u8::from(sources.node.ready()));
    text.gauge(
        "tailport_connections_limit",
        "Connections that may be open over all forwards.",
    );
    text.sample(&[], sources.limit);
}

fn node(text: &mut Text, node: &NodeStatus) {
    text.gauge(
        "tailport_node_state",
        "1 for the state that the node is in.",
    );
    for state in STATES {
        text.sample(&[("state", state)], u8::from(state == node.state));
    }
    text.gauge(
        "tailport_node_health_warnings",
        "Things that the node says are not well.",
    );
    text.sample(&[], node.health.len());
    text.gauge(
        "tailport_node_login_needed",
        "Whether a person must log the node in.",
    );
    text.sample(&[], u8::from(node.login_needed));
    let expiry = node.key_expiry;
    if let Some(Ok(expiry)) = expiry.map(|time| time.duration_since(SystemTime::UNIX_EPOCH)) {
        text.gauge(
            "tailport_node_key_expiry_timestamp_seconds",
            "When the node's key expires; absent when it does not.",
        );
        text.sample(&[], expiry.as_secs());
    }
}

fn paths(text: &mut Text, counts: &PathCounts) {
    text.gauge(
        "tailport_peers",
        "Peers by the way that leads to them; idle when not in use.",
    );
    for (path, count) in [
        ("direct", counts.direct),
        ("relay", counts.relay),
        ("peer_relay", counts.peer_relay),
        ("idle", counts.idle),
    ] {
        text.sample(&[("path", path)], count);
    }
}

fn connections(text: &mut Text, forwards: &[ForwardSnapshot]) {
    text.gauge("tailport_connections_active", "Connections that are open.");
    for forward in forwards {
        text.sample(&[("forward", &forward.name)], forward.counts.active);
    }
    text.gauge(
        "tailport_udp_flows_active",
        "UDP flows among the connections that are open.",
    );
    for forward in forwards {
        text.sample(&[("forward", &forward.name)], forward.counts.flows);
    }
    text.counter(
        "tailport_connections_accepted_total",
        "Connections that got a place.",
    );
    for forward in forwards {
        text.sample(&[("forward", &forward.name)], forward.counts.accepted);
    }
    text.counter(
        "tailport_connections_refused_total",
        "Connections closed at once for want of a place or a file descriptor.",
    );
    for forward in forwards {
        text.sample(&[("forward", &forward.name)], forward.counts.refused);
    }
    text.counter(
        "tailport_connections_ended_total",
        "Connections that ended, by how.",
    );
    for forward in forwards {
        for (ended, count) in forward.counts.ends {
            text.sample(
                &[("forward", &forward.name), ("how", ended.as_str())],
                count,
            );
        }
    }
    text.histogram(
        "tailport_connection_duration_seconds",
        "How long connections lasted.",
    );
    for forward in forwards {
        text.buckets(&forward.name, &forward.counts.durations);
    }
    text.counter("tailport_accept_errors_total", "Accepts that failed.");
    for forward in forwards {
        text.sample(&[("forward", &forward.name)], forward.counts.accept_errors);
    }
}

fn traffic(text: &mut Text, forwards: &[ForwardSnapshot]) {
    text.counter(
        "tailport_transferred_bytes_total",
        "Bytes delivered, counted while connections run.",
    );
    for forward in forwards {
        let ways = [
            ("to_target", forward.counts.to_target),
            ("to_peer", forward.counts.to_peer),
        ];
        for (direction, bytes) in ways {
            text.sample(
                &[("forward", &forward.name), ("direction", direction)],
                bytes,
            );
        }
    }
    text.counter(
        "tailport_datagrams_dropped_total",
        "Datagrams dropped whole, because their flow was too slow or they were too long.",
    );
    for forward in forwards {
        let dropped = forward.counts.dropped_datagrams;
        text.sample(&[("forward", &forward.name)], dropped);
    }
    text.histogram(
        "tailport_dial_duration_seconds",
        "How long whole dials took, name resolution, tries and failures included.",
    );
    for forward in forwards {
        text.buckets(&forward.name, &forward.counts.dials);
    }
    text.counter("tailport_dial_errors_total", "Dials that failed, by kind.");
    for forward in forwards {
        for (kind, count) in &forward.counts.dial_errors {
            text.sample(&[("forward", &forward.name), ("kind", kind)], count);
        }
    }
}

fn library(text: &mut Text, counts: &LibraryCounts) {
    let gauges = [
        (
            "tailport_library_goroutines",
            "Goroutines of the Go half.",
            counts.goroutines,
        ),
        (
            "tailport_library_threads",
            "Threads that the Go runtime has made.",
            counts.threads,
        ),
        (
            "tailport_library_memory_bytes",
            "Memory that the Go runtime holds of the system.",
            counts.memory,
        ),
        (
            "tailport_library_connections",
            "Connections that the Go half has not finished.",
            counts.connections,
        ),
        (
            "tailport_library_lingering_connections",
            "Connections that the Go half keeps until the peer has acknowledged.",
            counts.lingering,
        ),
        (
            "tailport_library_mailboxes",
            "Mailboxes between the halves.",
            counts.mailboxes,
        ),
    ];
    for (name, help, value) in gauges {
        text.gauge(name, help);
        text.sample(&[], value);
    }
    text.counter(
        "tailport_library_log_lines_dropped_total",
        "Log lines of the Go half that nobody read in time.",
    );
    text.sample(&[], counts.dropped_log_lines);
}

fn process(text: &mut Text, process: &Process) {
    text.counter(
        "process_cpu_seconds_total",
        "Processor time, user and system.",
    );
    text.sample(&[], process.cpu_seconds);
    let gauges = [
        (
            "process_resident_memory_bytes",
            "Memory in RAM.",
            process.resident_bytes,
        ),
        (
            "process_virtual_memory_bytes",
            "Address space.",
            process.virtual_bytes,
        ),
        (
            "process_open_fds",
            "Open file descriptors.",
            process.descriptors,
        ),
        (
            "process_threads",
            "Threads of both halves.",
            process.threads,
        ),
    ];
    for (name, help, value) in gauges {
        text.gauge(name, help);
        text.sample(&[], value);
    }
    if let Some(limit) = process.descriptor_limit {
        text.gauge("process_max_fds", "File descriptors that may be open.");
        text.sample(&[], limit);
    }
    text.gauge(
        "process_start_time_seconds",
        "When the process was started, since 1970.",
    );
    text.sample(&[], process.start_seconds);
}

#[cfg(test)]
mod tests;
