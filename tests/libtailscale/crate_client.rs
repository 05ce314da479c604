//! The published crate `libtailscale` on this archive instead of its own.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::conversation::{PORT, asked, echo_after_the_end, ends_well};
use crate::program;
use crate::support::home::Home;
use crate::support::patience::PATIENCE;
use crate::support::shared;

/// How many connections the program is told to accept.
const CONNECTIONS: u8 = 10;

/// The triple that cargo builds for when nothing is said.
fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("host: "));
    line.expect("rustc names its host").to_owned()
}

/// Builds the program. A build script that cargo is told the answer of is not run: the
/// crate's own archive is never built.
fn built() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libtailscale-crate");
    fs::create_dir_all(&directory).unwrap();
    let configuration = directory.join("config.toml");
    let (host, archive) = (host(), env!("OUT_DIR"));
    let text = format!(
        "[target.{host}.tailscale]\n\
         rustc-link-search = [\"native={archive}\"]\n\
         rustc-link-lib = [\"static=tailscale\"]\n"
    );
    fs::write(&configuration, text).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/libtailscale/crate");
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--locked", "--manifest-path"])
        .arg(source.join("Cargo.toml"))
        .arg("--config")
        .arg(&configuration)
        .arg("--target-dir")
        .arg(&directory)
        .args(["--target", &host])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    directory.join(host).join("debug/libtailscale-client")
}

#[test]
fn the_published_crate_carries_conversations_on_this_archive() {
    let tailnet = shared::tailnet();
    let peer = shared::peer();
    let port = 7200;
    let _listening = peer.listen(port, echo_after_the_end());
    let target = SocketAddr::new(peer.address(), port).to_string();
    let home = Home::new();
    let connections = CONNECTIONS.to_string();
    let mut client = program::joining(
        program::command(built()),
        &home,
        tailnet,
        &[&target, &connections],
    );
    let address: IpAddr = client.ready(PATIENCE)["address"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    tailnet.wait_reachable(address);
    peer.greet(address);
    for n in 0..CONNECTIONS {
        let question = vec![n; usize::from(n) << 14];
        let (from, answer) = asked(peer.dial(SocketAddr::new(address, PORT)), &question);
        assert_eq!(from, peer.address());
        assert!(answer == question, "{} bytes", answer.len());
    }
    ends_well(client);
}
