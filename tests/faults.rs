//! What happens when something breaks: the built program, real nodes on private
//! tailnets, and one fault after the other. Each test asserts what the client
//! sees, what the log and the exit code say, and that other connections go on.
//! The README's "What happens when" tells the same to a reader.
//!
//! Nothing leaves loopback. Faults of the network itself, and of a file system,
//! need namespaces of their own; those tests are run by `make interop`.

// What breaks here is mostly a machine made of namespaces.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod support;

#[path = "faults/batches.rs"]
mod batches;
#[path = "faults/control.rs"]
mod control;
#[path = "faults/deleted.rs"]
mod deleted;
#[path = "faults/descriptors.rs"]
mod descriptors;
#[path = "faults/disk.rs"]
mod disk;
#[path = "faults/expiry.rs"]
mod expiry;
#[path = "faults/flow.rs"]
mod flow;
#[path = "interop/host.rs"]
#[allow(dead_code, reason = "shared, and each user has its own part")]
mod host;
#[path = "faults/log_gone.rs"]
mod log_gone;
#[path = "faults/login.rs"]
mod login;
#[path = "faults/machines.rs"]
mod machines;
#[path = "faults/network.rs"]
mod network;
#[path = "faults/noise.rs"]
mod noise;
#[path = "faults/panicked.rs"]
mod panicked;
#[path = "faults/relay.rs"]
mod relay;
#[path = "faults/stage.rs"]
mod stage;
#[path = "faults/state_dir.rs"]
mod state_dir;
#[path = "faults/stopped.rs"]
mod stopped;
#[path = "faults/target_breaks.rs"]
mod target_breaks;
#[path = "faults/target_missing.rs"]
mod target_missing;
#[path = "faults/vanished.rs"]
mod vanished;
#[path = "interop/wire.rs"]
#[allow(dead_code, reason = "shared, and each user has its own part")]
mod wire;
