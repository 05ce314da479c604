//! What the Go half is built with: names in the library that nobody complains of when
//! they are wrong.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A list of the archive's build.
fn list(name: &str) -> Vec<&'static str> {
    const SOURCE: &str = include_str!("../../vendor/build/archive.rs");
    let (_, list) = SOURCE
        .split_once(&format!("const {name}: &[&str] = &["))
        .unwrap_or_else(|| panic!("the archive's build has no {name}"));
    let (list, _) = list.split_once("];").expect("the list ends");
    let entries = list.lines().map(|line| line.trim().trim_end_matches(','));
    let words = entries.filter_map(|entry| entry.strip_prefix('"')?.strip_suffix('"'));
    words.collect()
}

/// What `go list` says of the Go half, in lines.
fn go_list(arguments: &[&str]) -> Vec<String> {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("vendor/libtailscale");
    let output = Command::new("go")
        .args(["list", "-mod=readonly"])
        .args(arguments)
        .current_dir(module)
        .env("GOWORK", "off")
        .output()
        .expect("starting go, which the tests need in PATH");
    let text = String::from_utf8(output.stdout).expect("Go writes UTF-8");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "go list {arguments:?}: {complaint}"
    );
    text.lines().map(str::to_owned).collect()
}

#[test]
fn every_part_that_is_left_out_is_one_of_the_librarys() {
    let library = go_list(&["-m", "-f", "{{.Dir}}", "tailscale.com"]).remove(0);
    let features = PathBuf::from(library).join("feature/buildfeatures");
    let omitted = list("OMITTED");
    let unknown = |part: &&str| {
        !features
            .join(format!("feature_{part}_disabled.go"))
            .exists()
    };
    let others: Vec<_> = omitted.iter().copied().filter(unknown).collect();
    assert!(others.is_empty(), "the library has no part {others:?}");
    assert!(omitted.len() > 50, "only {} are left out", omitted.len());
}

#[test]
fn every_package_whose_calls_are_inlined_is_built() {
    let parts = list("OMITTED");
    let omitted: String = parts
        .iter()
        .map(|part| format!(",ts_omit_{part}"))
        .collect();
    let packages = go_list(&["-deps", &format!("-tags=netgo,osusergo{omitted}"), "."]);
    let inlined = list("INLINED");
    let unknown = |pattern: &&str| match pattern.strip_suffix("/...") {
        Some(top) => !packages.iter().any(|name| {
            let rest = name.strip_prefix(top);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }),
        None => !packages.iter().any(|name| name == pattern),
    };
    let others: Vec<_> = inlined.iter().copied().filter(unknown).collect();
    assert!(others.is_empty(), "no package is {others:?}");
    assert!(inlined.len() > 50, "only {} are inlined", inlined.len());
}
