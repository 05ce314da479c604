//! Where a run was measured, when, and how.

use std::fs;
use std::thread;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::units;
use crate::options::Options;
use crate::samples::Unit;

/// What is to be known of a run beside its samples.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct About {
    /// In UTC, as of RFC 3339.
    pub(crate) date: String,
    pub(crate) machine: Machine,
    pub(crate) options: Options,
}

impl About {
    /// Of a run that is made now.
    pub(crate) fn now(machine: Machine, options: Options) -> Self {
        let date = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        Self {
            date,
            machine,
            options,
        }
    }

    /// What it is in a line.
    pub(crate) fn line(&self) -> String {
        let Options { rounds, seconds } = self.options;
        format!(
            "{}; {}; {rounds} rounds of {seconds} s",
            self.date,
            self.machine.line()
        )
    }

    /// The line, then what is compared.
    pub(super) fn text(&self) -> String {
        format!("{}\n{}\n", self.line(), self.machine.versions_line())
    }
}

/// What it was measured on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    /// How many of them this process may use.
    pub(crate) processors: usize,
    /// In bytes; none where the kernel does not say.
    pub(crate) memory: Option<u64>,
    pub(crate) kernel: String,
    /// Whether it is a guest, where the processor says so.
    pub(crate) guest: Option<bool>,
    /// What is compared, each with its version.
    pub(crate) versions: Vec<(String, String)>,
}

impl Machine {
    /// This one.
    pub(crate) fn here(versions: Vec<(String, String)>) -> Self {
        let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let unknown = || "unknown".to_owned();
        Self {
            processor: value_of(&processor, "model name").map_or_else(unknown, str::to_owned),
            processors: thread::available_parallelism().map_or(0, usize::from),
            memory: value_of(&memory, "MemTotal").and_then(bytes),
            kernel: Some(kernel.trim().to_owned())
                .filter(|kernel| !kernel.is_empty())
                .unwrap_or_else(unknown),
            guest: value_of(&processor, "flags")
                .map(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
            versions,
        }
    }

    fn line(&self) -> String {
        let memory = match self.memory {
            Some(bytes) => format!(", {} of memory", units::text(Unit::Bytes, bytes as f64)),
            None => String::new(),
        };
        let guest = match self.guest {
            Some(true) => ", virtual",
            Some(false) => ", not virtual",
            None => "",
        };
        format!(
            "{} x {}{memory}, kernel {}{guest}",
            self.processors, self.processor, self.kernel
        )
    }

    /// What is compared, in a line.
    pub(super) fn versions_line(&self) -> String {
        let versions: Vec<String> = self
            .versions
            .iter()
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        versions.join(", ")
    }
}

/// What stands behind the first `name` and its colon.
fn value_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim())
}

/// Of `16384 kB`, the bytes.
fn bytes(text: &str) -> Option<u64> {
    let kibibytes: u64 = text.strip_suffix(" kB")?.parse().ok()?;
    kibibytes.checked_mul(1024)
}
