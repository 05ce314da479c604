//! What is compared, by version: of each what its lock file or the program itself says.

use super::support::unpacked;

/// Names and versions.
pub(crate) fn all() -> Vec<(String, String)> {
    const OURS: &str = include_str!("../../Cargo.lock");
    const GO: &str = include_str!("../../vendor/libtailscale/go.mod");
    const CRATE: &str = include_str!("others/crate/Cargo.lock");
    let found = [
        ("tailport", Some(env!("CARGO_PKG_VERSION").to_owned())),
        ("tailscale.com", required(GO, "tailscale.com")),
        ("libtailscale", locked(CRATE, "libtailscale")),
        ("tokio", locked(OURS, "tokio")),
        ("HAProxy", haproxy()),
    ];
    let known = |(name, version): (&str, Option<String>)| Some((name.to_owned(), version?));
    found.into_iter().filter_map(known).collect()
}

/// The version of a crate in a Cargo.lock.
fn locked(text: &str, name: &str) -> Option<String> {
    let start = text.find(&format!("\nname = \"{name}\"\n"))?;
    let version = text[start..].split("version = \"").nth(1)?;
    Some(version.split('"').next()?.to_owned())
}

/// The version of a module in a go.mod, without its `v`.
fn required(text: &str, name: &str) -> Option<String> {
    let mut words = text.lines().map(|line| line.split_whitespace());
    let line = words.find_map(|mut line| line.any(|word| word == name).then_some(line));
    Some(line?.next()?.trim_start_matches('v').to_owned())
}

/// Of HAProxy's first line, `HAProxy version 3.0.11-1 …`.
fn haproxy() -> Option<String> {
    let program = super::relay_alone::HAPROXY;
    if !unpacked::root().join(program).is_file() {
        return None;
    }
    let output = unpacked::program(program).arg("-v").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.split_whitespace().nth(2).map(str::to_owned)
}
