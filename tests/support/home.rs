//! The directory that holds a node's state and key. It is removed when nothing
//! uses it any more.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use super::reaper;

/// A private temporary directory. Clones are the same directory.
#[derive(Clone)]
pub(crate) struct Home(Arc<TempDir>);

impl Home {
    /// Makes one, mode 0700. Its path is short enough for a socket in it.
    pub(crate) fn new() -> Self {
        let directory = tempfile::Builder::new()
            .prefix("tailport-test-")
            .tempdir()
            .expect("making a temporary directory");
        reaper::directory(directory.path());
        Self(Arc::new(directory))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Where a node keeps its state in it.
    pub(crate) fn state(&self) -> PathBuf {
        self.path().join("state")
    }

    /// Writes a file that others may not read, and returns its path.
    pub(crate) fn write_secret(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        let _ = fs::remove_file(&path);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .expect("making a file");
        writeln!(file, "{text}").expect("writing a file");
        path
    }
}
