//! Nothing outlives the tests, however they end.
//!
//! A shell reads what is born and what has died from a pipe. When the test
//! process ends, by a panic, a signal or because fixtures are never dropped, the
//! pipe closes: the shell kills what is left, by process id, and removes the
//! directories it was told of.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock};

const SCRIPT: &str = r#"
alive=
while read -r word value; do
    case $word in
    born) alive="$alive $value" ;;
    died)
        rest=
        for pid in $alive; do
            [ "$pid" = "$value" ] || rest="$rest $pid"
        done
        alive=$rest
        ;;
    directory) set -- "$@" "$value" ;;
    esac
done
[ -z "$alive" ] || kill -9 $alive
[ $# -eq 0 ] || rm -rf -- "$@"
"#;

static PIPE: OnceLock<Mutex<ChildStdin>> = OnceLock::new();

/// A process to be killed at the end.
pub(crate) fn born(pid: u32) {
    tell(&format!("born {pid}"));
}

/// A process that has been waited for: its id is somebody else's from now on.
pub(crate) fn died(pid: u32) {
    tell(&format!("died {pid}"));
}

/// A directory of the tests' own, to be removed at the end.
pub(crate) fn directory(path: &Path) {
    let path = path.to_str().expect("a temporary directory's path is text");
    assert!(path.starts_with('/') && !path.contains('\n'), "{path}");
    tell(&format!("directory {path}"));
}

// The shell is waited for by nobody: it outlives this process.
#[allow(clippy::zombie_processes)]
fn tell(line: &str) {
    let pipe = PIPE.get_or_init(|| {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "reaper"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            // An interrupt from the terminal is for the tests, not for it.
            .process_group(0)
            .spawn()
            .expect("starting sh");
        Mutex::new(shell.stdin.take().expect("stdin is piped"))
    });
    let mut pipe = pipe.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    writeln!(pipe, "{line}").expect("the reaper reads");
}
