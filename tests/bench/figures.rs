//! What is measured.

use super::samples::{Better, Figure, Unit};

macro_rules! figures {
    ($($name:ident: $key:literal, $title:literal, $unit:ident, $better:ident, $load:expr;)*) => {
        $(pub(crate) static $name: Figure = Figure {
            key: $key,
            title: $title,
            unit: Unit::$unit,
            better: Better::$better,
            load: $load,
        };)*

        /// All of them.
        pub(crate) static FIGURES: &[&Figure] = &[$(&$name),*];
    };
}

const STREAMS: Option<&str> = Some("streams");
const CONNECTIONS: Option<&str> = Some("connections");

figures! {
    TO_TARGET: "bulk_to_target", "bulk to the target", BytesPerSecond, Higher, STREAMS;
    TO_TARGET_CPU: "bulk_to_target_cpu", "CPU per GiB to the target", Seconds, Lower, STREAMS;
    TO_CLIENT: "bulk_to_client", "bulk to the client", BytesPerSecond, Higher, STREAMS;
    TO_CLIENT_CPU: "bulk_to_client_cpu", "CPU per GiB to the client", Seconds, Lower, STREAMS;
    PEAK_MEMORY: "bulk_peak_memory", "peak resident memory under bulk", Bytes, Lower, STREAMS;
    LATENCY_P50: "exchange_p50", "request and response, p50", Seconds, Lower, CONNECTIONS;
    LATENCY_P99: "exchange_p99", "request and response, p99", Seconds, Lower, CONNECTIONS;
    LATENCY_P999: "exchange_p999", "request and response, p99.9", Seconds, Lower, CONNECTIONS;
    CONNECTS: "connects", "connect, request, close", PerSecond, Higher, CONNECTIONS;
    CONNECTS_CPU: "connects_cpu", "CPU per 1,000 connections", Seconds, Lower, CONNECTIONS;
    CONNECTS_FAILED: "connects_failed", "connections failed", Count, Lower, CONNECTIONS;
    HELD_THREADS: "held_threads", "threads with connections held", Count, Lower, CONNECTIONS;
    HELD_MEMORY: "held_memory", "resident memory with connections held", Bytes, Lower, CONNECTIONS;
    READY: "ready", "from exec to reachable", Seconds, Lower, None;
    IDLE_CPU: "idle_cpu", "CPU at rest", Share, Lower, None;
    IDLE_MEMORY: "idle_memory", "resident memory at rest", Bytes, Lower, None;
    BINARY: "binary", "size of the binary", Bytes, Lower, None;
}
