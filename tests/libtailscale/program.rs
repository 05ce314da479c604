//! A C program, compiled with the compiler of the build and linked with the archive
//! that the crate is linked with.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::support::child::Child;
use crate::support::home::Home;
use crate::support::settings::STAY_HERE;
use crate::support::tailnet::Tailnet;

/// Checks of the C side, where the compiler brings them along. They see what C does
/// with its own memory and with what it is given; the Go half is beyond them.
const SANITIZERS: &str = "-fsanitize=address,undefined";

/// The C compiler.
pub(crate) fn compiler() -> OsString {
    std::env::var_os("CC").unwrap_or_else(|| "cc".into())
}

/// What the archive needs of the system.
pub(crate) fn libraries() -> &'static [&'static str] {
    if cfg!(target_os = "macos") {
        &[
            "-framework",
            "CoreFoundation",
            "-framework",
            "Security",
            "-framework",
            "IOKit",
            "-lresolv",
        ]
    } else {
        &["-lpthread"]
    }
}

/// Compiles `tests/libtailscale/c/NAME.c` into a directory.
#[track_caller]
pub(crate) fn built(name: &str, into: &Path) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = into.join(name);
    let mut command = Command::new(compiler());
    command
        .args(["-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra"])
        .args(["-Werror", "-I"])
        .arg(root.join("vendor/libtailscale"))
        .arg(root.join("tests/libtailscale/c").join(format!("{name}.c")))
        .arg(Path::new(env!("OUT_DIR")).join("libtailscale.a"))
        .arg("-o")
        .arg(&program)
        .args(libraries());
    if sanitizers_work() {
        command.arg(SANITIZERS);
    }
    let status = command.status().expect("starting the C compiler");
    assert!(status.success(), "{command:?}");
    program
}

/// Whether this compiler can link a program with them.
fn sanitizers_work() -> bool {
    static WORK: OnceLock<bool> = OnceLock::new();
    *WORK.get_or_init(|| {
        let mut command = Command::new(compiler());
        command
            .args(["-x", "c", "-", "-o", "/dev/null", SANITIZERS])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let work = command.spawn().is_ok_and(|mut compiler| {
            use std::io::Write;
            let mut source = compiler.stdin.take().unwrap();
            // What it says to half a program, it says to the whole.
            let _ = source.write_all(b"int main(void) { return 0; }\n");
            drop(source);
            compiler.wait().is_ok_and(|status| status.success())
        });
        if !work {
            eprintln!("the C compiler has no {SANITIZERS}: the C programs go without");
        }
        work
    })
}

/// A command with an environment that keeps a node on this machine.
pub(crate) fn command(program: impl Into<OsString>) -> Command {
    let mut command = Command::new(program.into());
    command.env_clear().envs(STAY_HERE);
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}

/// Starts a program with what a node needs to join after these words: a directory of
/// its own, the control server and the file with the key.
pub(crate) fn joining(
    mut command: Command,
    home: &Home,
    tailnet: &Tailnet,
    rest: &[&str],
) -> Child {
    command
        .arg(home.path())
        .arg(tailnet.control_url())
        .arg(tailnet.key_file())
        .args(rest);
    let name = command.get_program().to_string_lossy().into_owned();
    Child::start(&name, &mut command)
}
