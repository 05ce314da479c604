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
    "cachenetmap",
    "captiveportal",
    "capture",
    "cliconndiag",
    "clientmetrics",
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
    "runtimemetrics",
    "sdnotify",
    "serviceclientprefs",
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
    "usermetrics",
    "wakeonlan",
    "webbrowser",
    "webclient",
];

/// Where Go's compiler inlines calls: what packets and connections pass. In the rest what
/// it would inline comes to a megabyte of code, and of tables that describe it. What no
/// package fits any more a test finds; `go list -deps` has their names.
const INLINED: &[&str] = &[
    "cmp",
    "encoding/binary",
    "github.com/tailscale/wireguard-go/...",
    "go4.org/mem",
    "golang.org/x/crypto/chacha20poly1305",
    "golang.org/x/crypto/internal/...",
    "golang.org/x/net/internal/socket",
    "golang.org/x/net/ipv4",
    "golang.org/x/sys/unix",
    "gvisor.dev/gvisor/pkg/atomicbitops",
    "gvisor.dev/gvisor/pkg/bits",
    "gvisor.dev/gvisor/pkg/buffer",
    "gvisor.dev/gvisor/pkg/gohacks",
    "gvisor.dev/gvisor/pkg/rand",
    "gvisor.dev/gvisor/pkg/refs",
    "gvisor.dev/gvisor/pkg/sleep",
    "gvisor.dev/gvisor/pkg/sync/...",
    "gvisor.dev/gvisor/pkg/tcpip",
    "gvisor.dev/gvisor/pkg/tcpip/adapters/gonet",
    "gvisor.dev/gvisor/pkg/tcpip/checksum",
    "gvisor.dev/gvisor/pkg/tcpip/hash/jenkins",
    "gvisor.dev/gvisor/pkg/tcpip/header",
    "gvisor.dev/gvisor/pkg/tcpip/internal/tcp",
    "gvisor.dev/gvisor/pkg/tcpip/network/ipv4",
    "gvisor.dev/gvisor/pkg/tcpip/seqnum",
    "gvisor.dev/gvisor/pkg/tcpip/stack",
    "gvisor.dev/gvisor/pkg/tcpip/stack/gro",
    "gvisor.dev/gvisor/pkg/tcpip/transport/tcp",
    "gvisor.dev/gvisor/pkg/waiter",
    "internal/abi",
    "internal/bytealg",
    "internal/byteorder",
    "internal/chacha8rand",
    "internal/poll",
    "internal/race",
    "internal/runtime/...",
    "internal/stringslite",
    "internal/sync",
    "io",
    "math/bits",
    "net/netip",
    "runtime",
    "slices",
    "sync",
    "sync/atomic",
    "syscall",
    "tailport.dev/...",
    "tailscale.com/net/batching",
    "tailscale.com/net/packet",
    "tailscale.com/net/tstun",
    "tailscale.com/syncs",
    "tailscale.com/tstime/mono",
    "tailscale.com/types/key",
    "tailscale.com/util/clientmetric",
    "tailscale.com/wgengine/filter",
    "tailscale.com/wgengine/magicsock",
    "tailscale.com/wgengine/netstack",
    "tailscale.com/wgengine/netstack/gro",
    "time",
];

/// No symbols, and functions half as far apart as is usual (32 bytes): 0.2 MB.
const LINKED: &str = "-ldflags=-s -w -funcalign=16";

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
        .arg("-gcflags=all=-l")
        .args(INLINED.iter().map(|part| format!("-gcflags={part}=")))
        .arg(LINKED)
        .arg(format!("-tags={PURE_GO},{}", omitted.join(",")));
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
