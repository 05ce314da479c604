//! The archive: `go build -buildmode=c-archive` with the release tags.

use std::ffi::OsStr;
use std::path::Path;

use crate::Step;
use crate::go::{Go, run};
use crate::target::Target;

/// Parts of the library that no forward uses, some of which would ask around on the
/// network (`captiveportal`, `cloud`). Left out, they more than halve the archive.
/// `acme` is not among them: without it tsnet does not compile.
const OMITTED: &[&str] = &[
    "advertiseexitnode",
    "appconnectors",
    "aws",
    "bird",
    "captiveportal",
    "capture",
    "cliconndiag",
    "clientupdate",
    "cloud",
    "colorable",
    "completion",
    "completion_scripts",
    "conn25",
    "dbus",
    "debug",
    "debugeventbus",
    "debugportmapper",
    "desktop_sessions",
    "doctor",
    "drive",
    "flashappliance",
    "hujsonconf",
    "identityfederation",
    "iptables",
    "kube",
    "linkspeed",
    "linuxdnsfight",
    "listenrawdisco",
    "netlog",
    "networkmanager",
    "oauthkey",
    "osrouter",
    "outboundproxy",
    "portlist",
    "posture",
    "qrcodes",
    "relayserver",
    "remoteconfig",
    "resolved",
    "routecheck",
    "sdnotify",
    "ssh",
    "synology",
    "syslog",
    "syspolicy",
    "systray",
    "taildrop",
    "tap",
    "tpm",
    "tundevstats",
    "unixsocketidentity",
    "useexitnode",
    "wakeonlan",
    "webbrowser",
    "webclient",
];

/// Name and user lookups in Go: a static binary must not load the host's NSS.
const PURE_GO: &str = "netgo,osusergo";

/// Builds the module into `libtailscale.a`.
pub(crate) fn build(
    go: &Go,
    target: &Target,
    compiler: &OsStr,
    module: &Path,
    out: &Path,
) -> Step<()> {
    let omitted: Vec<String> = OMITTED
        .iter()
        .map(|part| format!("ts_omit_{part}"))
        .collect();
    let mut command = go.command(module);
    command
        .args([
            "build",
            "-buildmode=c-archive",
            "-trimpath",
            "-buildvcs=false",
        ])
        .args([
            "-ldflags=-s -w",
            &format!("-tags={PURE_GO},{}", omitted.join(",")),
        ]);
    // A module mode in GOFLAGS is the user's word; otherwise nothing may change
    // go.mod or go.sum.
    if !std::env::var("GOFLAGS").is_ok_and(|flags| flags.contains("-mod=")) {
        command.arg("-mod=readonly");
    }
    command
        .arg("-o")
        .arg(out.join("libtailscale.a"))
        .arg(".")
        .env("CGO_ENABLED", "1")
        .env("GOOS", target.goos)
        .env("GOARCH", target.goarch)
        .env("CC", compiler);
    run(&mut command).map(drop)
}
