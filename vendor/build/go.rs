//! The Go command: where it is and whether it is new enough.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Output};

use crate::Step;

/// How to get Go, for every message that misses it.
const INSTALL: &str = "Debian: apt install golang (or https://go.dev/dl when that is older); \
                       macOS: brew install go; or set GO to its path";

/// A Go command that can build the module.
pub(crate) struct Go {
    program: OsString,
}

impl Go {
    /// A command that runs Go in `folder`, outside any workspace.
    pub(crate) fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(folder).env("GOWORK", "off");
        command
    }
}

/// Finds Go and compares it with the `go` line of the module.
pub(crate) fn find(module: &Path) -> Step<Go> {
    let program = env::var_os("GO")
        .filter(|go| !go.is_empty())
        .unwrap_or_else(|| "go".into());
    let wanted = wanted(&module.join("go.mod"))?;
    let go = Go { program };
    // Asked inside the module, so that Go itself changes to another toolchain
    // where GOTOOLCHAIN lets it.
    let mut command = go.command(module);
    command.args(["env", "GOVERSION"]);
    let answer = run(&mut command).map_err(|error| {
        format!("Go {wanted} or newer is needed to build vendor/libtailscale\n{error}\n{INSTALL}")
    })?;
    let found = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    if numbers(found.trim_start_matches("go")) < numbers(&wanted) {
        return Err(format!(
            "{found} is too old: vendor/libtailscale needs Go {wanted} or newer\n{INSTALL}"
        ));
    }
    Ok(go)
}

/// Runs a command; a failure names it and shows what it wrote to stderr.
pub(crate) fn run(command: &mut Command) -> Step<Output> {
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("{:?} was not found", command.get_program()),
        _ => format!("{command:?} could not be run: {error}"),
    })?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "{command:?} failed with {}:\n{}",
        output.status,
        said.trim_end()
    ))
}

/// The version on the `go` line of a go.mod.
fn wanted(path: &Path) -> Step<String> {
    let text =
        fs::read_to_string(path).map_err(|error| format!("reading {}: {error}", path.display()))?;
    text.lines()
        .find_map(|line| line.strip_prefix("go "))
        .map(|version| version.trim().to_owned())
        .ok_or_else(|| format!("{} has no go line", path.display()))
}

/// `1.26.6` and `1.26rc1` as numbers that compare; what is no number ends it.
fn numbers(version: &str) -> Vec<u32> {
    version
        .split('.')
        .map_while(|part| {
            let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        })
        .collect()
}
