//! The soft memory limit of the Go half: as configured, or from the control group
//! that the process is in, or a measured value.

use std::fs;
use std::path::{Path, PathBuf};

use crate::config::MemoryLimit;

const MIB: u64 = 1 << 20;

/// Without a tighter control group: 8 bulk streams have at most 384 MiB resident,
/// where without a limit they take 1.0 to 2.7 GiB. To the tailnet they are as fast
/// as without a limit, from it half as fast, on a machine of two processors that
/// runs both ends.
const MEASURED: u64 = 360 * MIB;

/// The Go half's part of a control group's limit, as a divisor. The rest is for
/// the Rust half, for code and stacks, and for the kernel's socket buffers, which
/// count too. In a group of 256 MiB, 8 bulk streams have at most 166 MiB resident
/// and 0.5 to 1.1 of the throughput that they have outside of it.
const SHARE: u64 = 2;

/// Below this the collector would do nothing else.
const LEAST: u64 = 32 * MIB;

/// The limit in bytes.
pub(super) fn limit(configured: MemoryLimit) -> u64 {
    match configured {
        MemoryLimit::Bytes(bytes) => bytes,
        MemoryLimit::Auto => share(control_group(Path::new("/"))),
    }
}

fn share(group: Option<u64>) -> u64 {
    group.map_or(MEASURED, |bytes| (bytes / SHARE).clamp(LEAST, MEASURED))
}

/// The tightest memory limit of the process's control group and those above it,
/// under either version of control groups; `None` without a limit.
fn control_group(root: &Path) -> Option<u64> {
    let memberships = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    memberships
        .lines()
        .filter_map(limit_file)
        .filter_map(|(mount, group, file)| {
            let mount = root.join(mount);
            // In a container the mount may show the group as its own root.
            let own = mount.join(group.trim_start_matches('/'));
            tightest(&own, &mount, file)
        })
        .min()
}

/// Where a line of /proc/self/cgroup (`ID:CONTROLLERS:GROUP`) puts memory limits:
/// the mount point, the group, the file's name.
fn limit_file(line: &str) -> Option<(&'static str, &str, &'static str)> {
    let mut fields = line.splitn(3, ':');
    let (_, controllers, group) = (fields.next()?, fields.next()?, fields.next()?);
    if controllers.is_empty() {
        Some(("sys/fs/cgroup", group, "memory.max"))
    } else if controllers.split(',').any(|name| name == "memory") {
        Some(("sys/fs/cgroup/memory", group, "memory.limit_in_bytes"))
    } else {
        None
    }
}

fn tightest(own: &Path, mount: &Path, file: &str) -> Option<u64> {
    own.ancestors()
        .take_while(|group| group.starts_with(mount))
        .filter_map(|group| read_limit(group.join(file)))
        .min()
}

/// A limit file's number; "max", and version 1's number for none, are no limit.
fn read_limit(file: PathBuf) -> Option<u64> {
    let bytes = fs::read_to_string(file).ok()?.trim().parse().ok()?;
    (bytes < i64::MAX as u64 / 2).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A root directory with a membership file and limit files.
    fn root(membership: &str, limits: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("proc/self/cgroup", membership);
        for (path, text) in limits {
            write(&format!("sys/fs/cgroup/{path}"), text);
        }
        root
    }

    #[test]
    fn version_2_counts_the_tightest_group_on_the_way_up() {
        let root = root(
            "0::/app.slice/tailport.service\n",
            &[
                ("app.slice/tailport.service/memory.max", "max\n"),
                ("app.slice/memory.max", "268435456\n"),
            ],
        );
        assert_eq!(control_group(root.path()), Some(256 * MIB));
    }

    #[test]
    fn version_1_has_a_file_of_its_own() {
        let root = root(
            "7:cpu:/x\n5:memory,pids:/docker/abc\n",
            &[
                ("memory/docker/abc/memory.limit_in_bytes", "134217728\n"),
                ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ],
        );
        assert_eq!(control_group(root.path()), Some(128 * MIB));
    }

    #[test]
    fn a_container_that_sees_its_group_as_the_root_is_limited_too() {
        let root = root("0::/somewhere/outside\n", &[("memory.max", "67108864")]);
        assert_eq!(control_group(root.path()), Some(64 * MIB));
    }

    #[test]
    fn without_a_limit_the_measured_value_holds() {
        let root = root("0::/\n", &[]);
        assert_eq!(control_group(root.path()), None);
        assert_eq!(share(None), MEASURED);
        assert_eq!(share(Some(u64::MAX)), MEASURED);
        assert_eq!(share(Some(256 * MIB)), 128 * MIB);
        assert_eq!(share(Some(0)), LEAST);
    }
}
