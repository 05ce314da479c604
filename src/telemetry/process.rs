//! What the system knows of this process, read from /proc. On systems without it nothing
//! is known.

use std::fs;
use std::path::Path;

use rustix::param;
use rustix::process::{Resource, getrlimit};

/// The process at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Process {
    /// Processor time used, in user mode and in the kernel, in seconds.
    pub cpu_seconds: f64,
    /// Memory that is in RAM, in bytes.
    pub resident_bytes: u64,
    /// Address space, in bytes.
    pub virtual_bytes: u64,
    /// Threads of both halves.
    pub threads: u64,
    /// Open file descriptors.
    pub descriptors: u64,
    /// How many there may be; `None` without a limit.
    pub descriptor_limit: Option<u64>,
    /// When it was started, in seconds since 1970.
    pub start_seconds: f64,
}

impl Process {
    /// This process now; `None` where there is no /proc.
    pub fn read() -> Option<Self> {
        Self::read_from(Path::new("/proc"))
    }

    fn read_from(proc: &Path) -> Option<Self> {
        let stat = fs::read_to_string(proc.join("self/stat")).ok()?;
        let boot = fs::read_to_string(proc.join("stat")).ok()?;
        let descriptors = fs::read_dir(proc.join("self/fd")).ok()?.count();
        let Stat {
            ticks,
            threads,
            start,
            virtual_bytes,
            resident_pages,
        } = Stat::parse(&stat)?;
        let a_second = param::clock_ticks_per_second() as f64;
        Some(Self {
            cpu_seconds: ticks as f64 / a_second,
            resident_bytes: resident_pages.saturating_mul(param::page_size() as u64),
            virtual_bytes,
            threads,
            // The directory itself was open while it was read.
            descriptors: (descriptors as u64).saturating_sub(1),
            descriptor_limit: getrlimit(Resource::Nofile).current,
            start_seconds: boot_time(&boot)? as f64 + start as f64 / a_second,
        })
    }
}

/// What is used of /proc/self/stat.
#[derive(Debug, PartialEq)]
struct Stat {
    ticks: u64,
    threads: u64,
    start: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    /// The fields as proc(5) numbers them. The program's name may hold anything, so that
    /// they are counted from behind its closing bracket, where number 3 comes first.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            ticks: field(14)?.saturating_add(field(15)?),
            threads: field(20)?,
            start: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

/// Seconds since 1970 at which the system was started, from /proc/stat.
fn boot_time(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_any_name() {
        let text = "7 (a) b (c)) S 1 7 7 0 -1 4194560 9 0 0 0 120 30 0 0 20 0 14 0 5500 \
                    1048576 256 18446744073709551615 1 1 0";
        let stat = Stat {
            ticks: 150,
            threads: 14,
            start: 5500,
            virtual_bytes: 1_048_576,
            resident_pages: 256,
        };
        assert_eq!(Stat::parse(text), Some(stat));
        assert_eq!(Stat::parse("7 (short) S 1"), None);
        assert_eq!(
            boot_time("cpu 1 2\nbtime 1700000000\n"),
            Some(1_700_000_000)
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_known() {
        let now = Process::read().unwrap();
        assert!(now.resident_bytes > 0 && now.resident_bytes < now.virtual_bytes);
        assert!(now.threads >= 1 && now.descriptors >= 3, "{now:?}");
        let since_1970 = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        assert!(now.start_seconds < since_1970.as_secs_f64() + 1.0);
        assert!(
            now.start_seconds > since_1970.as_secs_f64() - 3600.0,
            "{now:?}"
        );
    }

    #[test]
    fn without_proc_nothing_is_known() {
        let nothing = tempfile::tempdir().unwrap();
        assert_eq!(Process::read_from(nothing.path()), None);
    }
}
