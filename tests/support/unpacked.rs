//! Programs of Debian packages that `tests/interop/build.sh` has unpacked without
//! installing them, so that no service of theirs is ever started.

use std::env::join_paths;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::child::Child;
use super::patience::PATIENCE;

/// Where the packages' root is.
pub(crate) fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("interop");
    root.join("root")
}

/// A program in it, such as `usr/bin/prometheus`, that finds the libraries of the
/// other packages and has nothing else in its environment.
#[track_caller]
pub(crate) fn program(path: &str) -> Command {
    let root = root();
    let program = root.join(path);
    assert!(
        program.is_file(),
        "no {program:?}: run tests/interop/build.sh"
    );
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/bin:/bin");
    command.env("LD_LIBRARY_PATH", libraries(&root));
    command
}

/// The beginning of a shell's command line that runs a program in it.
#[track_caller]
pub(crate) fn command_line(path: &str) -> String {
    let command = program(path);
    let mut words = vec!["env".to_owned()];
    for (name, value) in command.get_envs() {
        let value = value.unwrap_or_default().to_string_lossy();
        words.push(format!("{}={value}", name.to_string_lossy()));
    }
    words.push(command.get_program().to_string_lossy().into_owned());
    words.join(" ")
}

/// The directories of an architecture's libraries; no package has to have one.
fn libraries(root: &Path) -> OsString {
    let parents = ["usr/lib", "lib"].map(|parent| root.join(parent));
    let entries = parents
        .iter()
        .filter_map(|parent| fs::read_dir(parent).ok());
    let paths = entries.flatten().map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.to_string_lossy().ends_with("-linux-gnu"));
    // Where libpulse has a part of itself.
    join_paths(paths.flat_map(|path| [path.join("pulseaudio"), path])).unwrap()
}

/// Runs a command to its end with a text on its stdin, which it is given whole.
#[track_caller]
pub(crate) fn judge(command: &mut Command, text: &str) -> Output {
    use std::io::Write;
    let mut judge = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starting a program");
    let mut stdin = judge.stdin.take().unwrap();
    // Who ends without reading says why.
    let _ = stdin.write_all(text.as_bytes());
    drop(stdin);
    judge.wait_with_output().unwrap()
}

/// What follows `key` in the first line of a program's log that has both words.
#[track_caller]
pub(crate) fn told(child: &Child, line: &str, key: &str) -> String {
    let found = child
        .stderr
        .wait(PATIENCE, |text| text.contains(line) && text.contains(key));
    let found = found.unwrap_or_else(|| panic!("{line:?} never came"));
    let (_, rest) = found.split_once(key).expect("the key");
    let word = rest.split_whitespace().next();
    word.unwrap_or_default().to_owned()
}
