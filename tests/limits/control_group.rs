//! A control group with a memory limit, of either version, for a process that is
//! to be started in it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The group; it is removed when dropped, after its last process.
pub(crate) struct ControlGroup {
    path: PathBuf,
    version_2: bool,
}

impl ControlGroup {
    /// Makes one below the group of this process.
    ///
    /// # Errors
    /// When this user may not, or memory is not limited by groups here.
    pub(crate) fn with_memory(limit: u64) -> io::Result<Self> {
        let memberships = fs::read_to_string("/proc/self/cgroup")?;
        let group = memberships.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let (controllers, path) = (fields.next()?, fields.next()?);
            controllers
                .split(',')
                .any(|name| name == "memory")
                .then(|| path.to_owned())
        });
        let version_2 = group.is_none();
        let above = match group {
            Some(path) => Path::new("/sys/fs/cgroup/memory").join(path.trim_start_matches('/')),
            // Only a group without processes may limit those below it: the root.
            None => PathBuf::from("/sys/fs/cgroup"),
        };
        let path = above.join(format!("tailport-limits-{}", std::process::id()));
        fs::create_dir(&path)?;
        let made = Self { path, version_2 };
        fs::write(made.path.join(made.file("limit")), limit.to_string())?;
        Ok(made)
    }

    /// What a shell has to do to be in it: see `Settings::launched_by`.
    pub(crate) fn entry(&self) -> String {
        let processes = self.path.join("cgroup.procs");
        format!("echo $$ > {} && exec \"$0\" \"$@\"", processes.display())
    }

    /// The most bytes that were charged to it.
    pub(crate) fn peak(&self) -> u64 {
        let text = fs::read_to_string(self.path.join(self.file("peak")));
        text.ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0)
    }

    fn file(&self, what: &str) -> &'static str {
        match (what, self.version_2) {
            ("limit", true) => "memory.max",
            ("limit", false) => "memory.limit_in_bytes",
            (_, true) => "memory.peak",
            (_, false) => "memory.max_usage_in_bytes",
        }
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.path);
    }
}
