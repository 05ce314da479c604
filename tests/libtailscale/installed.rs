//! The library as `make libtailscale` installs it, and the examples that use it as the
//! documents say.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::conversation::PORT;
use crate::program;
use crate::support::child::Child;
use crate::support::content::{self, MIB};
use crate::support::home::Home;
use crate::support::patience::PATIENCE;
use crate::support::peer::Peer;
use crate::support::tailnet::Tailnet;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Where it is installed, once for all of these tests.
fn prefix() -> &'static Path {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let prefix = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libtailscale-prefix");
        let _ = fs::remove_dir_all(&prefix);
        run(Command::new("make")
            // Not a part of the make that runs the tests.
            .env_remove("MAKEFLAGS")
            .env_remove("MAKELEVEL")
            .args(["libtailscale", "SHARED=1"])
            .arg(format!("PREFIX={}", prefix.display())));
        prefix
    })
}

/// Runs a command in the repository; its output, when it ends well.
#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.current_dir(ROOT).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// A command that finds the tools which this machine lacked.
fn with_tools(program: &str) -> Command {
    static TOOLS: OnceLock<PathBuf> = OnceLock::new();
    let tools = TOOLS.get_or_init(|| {
        let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libtailscale-tools");
        run(Command::new("sh")
            .arg("tests/libtailscale/tools.sh")
            .arg(&tools));
        tools
    });
    let mut command = program::command(program);
    let path = std::env::var("PATH").unwrap();
    command.env(
        "PATH",
        format!("{path}:{}", tools.join("usr/bin").display()),
    );
    let libraries = tools.join(format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH));
    command.env("LD_LIBRARY_PATH", libraries);
    command
}

/// A tailnet that asks for no key, and a stock peer on it.
fn open_tailnet() -> (Tailnet, Peer) {
    let tailnet = Tailnet::start();
    let peer = Peer::start(&tailnet);
    tailnet.key_policy("open");
    (tailnet, peer)
}

/// Waits until an example says which addresses it has; the first of them.
#[track_caller]
fn joined(example: &Child, tailnet: &Tailnet, peer: &Peer) -> SocketAddr {
    const SAYS: &str = "on the tailnet as ";
    let line = example
        .stdout
        .wait(PATIENCE, |line| line.starts_with(SAYS))
        .expect("the example joins the tailnet");
    let first = line[SAYS.len()..].split(',').next().unwrap();
    let address: IpAddr = first.parse().unwrap();
    tailnet.wait_reachable(address);
    peer.greet(address);
    SocketAddr::new(address, PORT)
}

#[test]
fn what_is_installed_is_the_archive_its_header_and_a_pkg_config_file() {
    let prefix = prefix();
    for file in [
        "lib/libtailscale.a",
        "lib/libtailscale.so",
        "lib/pkgconfig/libtailscale.pc",
    ] {
        assert!(prefix.join(file).is_file(), "{file}");
    }
    let header = fs::read(prefix.join("include/tailscale.h")).unwrap();
    let ours = Path::new(ROOT).join("vendor/libtailscale/tailscale.h");
    assert_eq!(header, fs::read(ours).unwrap());
}

#[test]
fn the_c_example_builds_by_its_one_line_and_greets_a_peer() {
    let home = Home::new();
    let source = Path::new(ROOT).join("vendor/libtailscale/examples/hello.c");
    fs::copy(&source, home.path().join("hello.c")).unwrap();
    let line = "cc hello.c $(pkg-config --cflags --libs libtailscale) -o hello";
    for text in [
        source,
        Path::new(ROOT).join("vendor/libtailscale/README.md"),
    ] {
        let text = fs::read_to_string(text).unwrap();
        assert!(text.contains(line), "the documents' words are others");
    }
    let output = with_tools("sh")
        .args(["-c", line])
        .current_dir(home.path())
        .env("PKG_CONFIG_PATH", prefix().join("lib/pkgconfig"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");

    let (tailnet, peer) = open_tailnet();
    let mut command = program::command(home.path().join("hello"));
    command
        .arg(home.state())
        .env("TS_CONTROL_URL", tailnet.control_url())
        // The shared library of the same prefix is what the linker prefers.
        .env("LD_LIBRARY_PATH", prefix().join("lib"));
    let mut hello = Child::start("hello", &mut command);
    let to = joined(&hello, &tailnet, &peer);
    let mut greeting = String::new();
    std::io::Read::read_to_string(&mut peer.dial(to), &mut greeting).unwrap();
    assert_eq!(greeting, format!("hello, {}\n", peer.address()));
    assert!(hello.wait_exit(PATIENCE).success());
}

#[test]
fn the_python_example_echoes() {
    let (tailnet, peer) = open_tailnet();
    let home = Home::new();
    let mut command = with_tools("python3");
    command
        .arg(Path::new(ROOT).join("vendor/libtailscale/examples/echo.py"))
        .arg(prefix().join("lib/libtailscale.so"))
        .arg(home.state())
        .env("TS_CONTROL_URL", tailnet.control_url());
    let echo = Child::start("echo.py", &mut command);
    let to = joined(&echo, &tailnet, &peer);
    for seed in 0..3 {
        let stream = peer.dial(to);
        let mut writer = stream.try_clone().unwrap();
        let sent = std::thread::spawn(move || {
            let sent = content::send(&mut writer, MIB, seed).unwrap();
            writer.shutdown(std::net::Shutdown::Write).unwrap();
            sent
        });
        let received = content::receive(&mut &stream).unwrap();
        assert_eq!(received, sent.join().unwrap());
    }
}
