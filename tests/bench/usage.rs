//! What the kernel says that a process has used.

use std::fs;
use std::io;

/// Seconds of processor time so far, in the program and in the kernel for it, to the
/// kernel's tick of mostly 10 ms.
///
/// # Errors
/// When there is no such process.
pub(crate) fn processor(pid: u32) -> io::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // After the name, which may hold anything.
    let fields = stat
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace())
        .ok_or(io::ErrorKind::InvalidData)?;
    let ticks: u64 = fields
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().unwrap_or_default())
        .sum();
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// Has the kernel forget the most memory that a process had.
///
/// # Errors
/// When there is no such process.
pub(crate) fn forget_peak(pid: u32) -> io::Result<()> {
    fs::write(format!("/proc/{pid}/clear_refs"), "5")
}

/// The most bytes that were resident since.
///
/// # Errors
/// When there is no such process.
pub(crate) fn peak(pid: u32) -> io::Result<u64> {
    Ok(status(pid, "VmHWM:")? * 1024)
}

/// Resident bytes now.
///
/// # Errors
/// When there is no such process.
pub(crate) fn resident(pid: u32) -> io::Result<u64> {
    Ok(status(pid, "VmRSS:")? * 1024)
}

/// OS threads now.
///
/// # Errors
/// When there is no such process.
pub(crate) fn threads(pid: u32) -> io::Result<u64> {
    status(pid, "Threads:")
}

/// Open file descriptors now.
///
/// # Errors
/// When there is no such process.
pub(crate) fn descriptors(pid: u32) -> io::Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

fn status(pid: u32, key: &str) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    status
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}
