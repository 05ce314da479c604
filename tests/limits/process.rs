//! What the kernel says of a process: descriptors, threads, memory.

use std::fmt;
use std::fs;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::content::MIB;
use crate::support::patience::eventually;

/// A process at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Footprint {
    /// Open file descriptors.
    pub(crate) descriptors: usize,
    /// OS threads.
    pub(crate) threads: usize,
    /// Resident bytes.
    pub(crate) resident: u64,
}

impl Footprint {
    /// Looks at a process.
    #[track_caller]
    pub(crate) fn of(pid: u32) -> Self {
        Self {
            descriptors: entries(pid, "fd"),
            threads: entries(pid, "task"),
            resident: resident(pid),
        }
    }

    /// Waits until a process is back at as few descriptors as before.
    #[track_caller]
    pub(crate) fn wait_back(self, pid: u32, deadline: Duration) -> Self {
        eventually("all descriptors are back", deadline, || {
            entries(pid, "fd") <= self.descriptors
        });
        Self::of(pid)
    }
}

impl fmt::Display for Footprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} descriptors, {} threads, {} resident",
            self.descriptors,
            self.threads,
            mebibytes(self.resident)
        )
    }
}

/// Resident bytes of a process.
#[track_caller]
pub(crate) fn resident(pid: u32) -> u64 {
    status(pid, "VmRSS:") * 1024
}

/// The most bytes that were ever resident.
#[track_caller]
pub(crate) fn peak_resident(pid: u32) -> u64 {
    status(pid, "VmHWM:") * 1024
}

/// Bytes for people.
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / MIB as f64)
}

/// How many descriptors a process may have, however it tries.
pub(crate) fn descriptor_limit() -> usize {
    let maximum = getrlimit(Resource::Nofile).maximum;
    maximum
        .and_then(|limit| limit.try_into().ok())
        .unwrap_or(usize::MAX)
}

/// Lets this process and its children have as many descriptors as they may.
pub(crate) fn raise_descriptor_limit() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, limit).expect("raising the soft limit to the hard one");
}

#[track_caller]
fn entries(pid: u32, what: &str) -> usize {
    fs::read_dir(format!("/proc/{pid}/{what}"))
        .expect("the process runs")
        .count()
}

#[track_caller]
fn status(pid: u32, key: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    status
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or_else(|| panic!("no {key} in the status of {pid}"))
}
