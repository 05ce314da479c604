//! What the kernel says of a process: descriptors, threads, memory, processor time.
//!
//! Each question fails when there is no such process.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::content::MIB;
use super::patience::eventually;

/// A process at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Footprint {
    /// Open file descriptors.
    pub(crate) descriptors: usize,
    /// OS threads.
    pub(crate) threads: u64,
    /// Resident bytes.
    pub(crate) resident: u64,
}

impl Footprint {
    /// Looks at a process.
    #[track_caller]
    pub(crate) fn of(pid: u32) -> Self {
        let look = || {
            io::Result::Ok(Self {
                descriptors: descriptors(pid)?,
                threads: threads(pid)?,
                resident: resident(pid)?,
            })
        };
        look().expect("the process runs")
    }

    /// Waits until a process is back at as few descriptors as before.
    #[track_caller]
    pub(crate) fn wait_back(self, pid: u32, deadline: Duration) -> Self {
        eventually("all descriptors are back", deadline, || {
            descriptors(pid).expect("the process runs") <= self.descriptors
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

/// Resident bytes now.
pub(crate) fn resident(pid: u32) -> io::Result<u64> {
    Ok(status(pid, "VmRSS:")? * 1024)
}

/// The most bytes that were ever resident, or since [`forget_peak`].
pub(crate) fn peak_resident(pid: u32) -> io::Result<u64> {
    Ok(status(pid, "VmHWM:")? * 1024)
}

/// Has the kernel forget the most memory that a process had.
pub(crate) fn forget_peak(pid: u32) -> io::Result<()> {
    fs::write(format!("/proc/{pid}/clear_refs"), "5")
}

/// OS threads now.
pub(crate) fn threads(pid: u32) -> io::Result<u64> {
    status(pid, "Threads:")
}

/// How often the first thread of a name has been woken. Threads that it starts itself have
/// its name too.
pub(crate) fn wakings(pid: u32, name: &str) -> io::Result<u64> {
    let mut found = None;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let task = task?.path();
        if fs::read_to_string(task.join("comm"))?.trim_end() != name {
            continue;
        }
        let stat = fs::read_to_string(task.join("stat"))?;
        let started: Option<u64> = after_name(&stat)?
            .nth(19)
            .and_then(|ticks| ticks.parse().ok());
        let woken = field(&task.join("status"), "voluntary_ctxt_switches:")?;
        found = [found, Some((started, task, woken))]
            .into_iter()
            .flatten()
            .min();
    }
    let first = found.ok_or(io::ErrorKind::NotFound)?;
    Ok(first.2)
}

/// Open file descriptors now.
pub(crate) fn descriptors(pid: u32) -> io::Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

/// Seconds of processor time so far, in the program and in the kernel for it, to the
/// kernel's tick of mostly 10 ms.
pub(crate) fn processor(pid: u32) -> io::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let ticks: u64 = after_name(&stat)?
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().unwrap_or_default())
        .sum();
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// The fields of a `stat` after the name, which may hold anything.
fn after_name(stat: &str) -> io::Result<impl Iterator<Item = &str>> {
    stat.rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace())
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
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

fn status(pid: u32, key: &str) -> io::Result<u64> {
    field(Path::new(&format!("/proc/{pid}/status")), key)
}

/// A number of a file with a field a line.
fn field(file: &Path, key: &str) -> io::Result<u64> {
    fs::read_to_string(file)?
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}
