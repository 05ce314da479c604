//! The exported C functions under a C program of their own (`tests/seam_c/main.c`), linked with the
//! archive that this crate is linked with: no safe wrapper stands between.
//!
//! FUZZ_CASES as in `tests/fuzz`.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Calls when FUZZ_CASES does not say.
const SHORT: &str = "20000";

/// Builds the program beside the archive's directory; the compiler is the one of the build.
fn built(directory: &Path) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = directory.join("seam");
    let mut command = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    command
        .args([
            "-std=c11",
            "-D_GNU_SOURCE",
            "-O1",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-I",
        ])
        .arg(root.join("vendor/libtailscale"))
        .arg(root.join("tests/seam_c/main.c"))
        .arg(Path::new(env!("OUT_DIR")).join("libtailscale.a"))
        .arg("-o")
        .arg(&program);
    if cfg!(target_os = "macos") {
        for framework in ["CoreFoundation", "Security", "IOKit"] {
            command.args(["-framework", framework]);
        }
        command.arg("-lresolv");
    } else {
        command.arg("-lpthread");
    }
    let status = command.status().expect("starting the C compiler");
    assert!(status.success(), "{command:?}");
    program
}

#[test]
fn no_call_from_c_aborts_leaks_or_keeps_a_secret() {
    let directory = tempfile::tempdir().unwrap();
    let cases = std::env::var("FUZZ_CASES").unwrap_or_else(|_| SHORT.to_owned());
    let output = Command::new(built(directory.path()))
        .arg(cases)
        .arg(directory.path())
        .env_clear()
        .env("FUZZ_SECRET", "tskey-auth-secret")
        .env("TS_DISABLE_PORTMAPPER", "true")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", output.status);
    assert_eq!(stderr, "", "the Go half writes nothing there");
    print!("{}", String::from_utf8_lossy(&output.stdout));
}
