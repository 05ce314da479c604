//! A Go program of the tests, built once and shared by all test binaries.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

static BUILT: Mutex<BTreeMap<&str, PathBuf>> = Mutex::new(BTreeMap::new());

/// A directory that holds every program ready to run, for a user who cannot build.
const GIVEN: &str = "TAILPORT_TEST_PROGRAMS";

/// A program that was given to the tests instead of being built for them.
pub(crate) fn given(name: &str) -> Option<PathBuf> {
    std::env::var_os(GIVEN).map(|directory| Path::new(&directory).join(name))
}

/// Builds `tests/NAME` and returns the executable. With a warm cache it takes half
/// a second; the lock keeps test binaries from building into one another.
pub(crate) fn built(name: &'static str) -> PathBuf {
    if let Some(given) = given(name) {
        return given;
    }
    let mut built = BUILT
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    built.entry(name).or_insert_with(|| build(name)).clone()
}

fn build(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(directory).expect("making the directory for test programs");
    let lock = File::create(directory.join("go-build.lock")).expect("making the lock file");
    lock.lock().expect("locking the lock file");
    // Go writes the file anew every time, and somebody may be running it.
    let fresh = directory.join(format!("{name}.new"));
    let executable = directory.join(name);
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(name);
    let output = Command::new("go")
        .args(["build", "-o"])
        .arg(&fresh)
        .arg(".")
        .current_dir(&source)
        .output()
        .expect("starting go, which the tests need in PATH");
    assert!(
        output.status.success(),
        "go build in {}: {}",
        source.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    fs::rename(&fresh, &executable).expect("renaming the program");
    executable
}
