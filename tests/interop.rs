//! The built program against software that nobody here wrote: headscale as the
//! control server, derper as the relay, tailscaled with a kernel TUN and in
//! userspace mode, OpenSSH, FreeRDP, Prometheus, HAProxy,
//! Chromium.
//!
//! Every machine of these tests is a network namespace, joined to the others by a
//! router that has no way off this machine and writes down who tries one. They
//! need root and the programs that `tests/interop/build.sh` builds and installs;
//! `make interop` does both. Those with programs that are only unpacked need no
//! root: they use loopback and the private tailnet of the other suites.
//!
//! | file | its one idea |
//! |---|---|
//! | `host` | a machine: a network namespace with a process that keeps it |
//! | `wire` | the router between the machines, its faults, its list of strays |
//! | `hub` | headscale and derper |
//! | `stranger` | a tailscaled and its command line |
//! | `world` | all of them together, up once for all tests |
//! | `exchange` | one connection used in full |
//! | `screen` | a display without a screen, and what is on it |
//! | the others | the tests |

// Machines of other systems cannot be made of namespaces.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

#[path = "support/mod.rs"]
mod support;

#[path = "interop/desktop.rs"]
mod desktop;
#[path = "interop/exchange.rs"]
mod exchange;
#[path = "interop/half_close.rs"]
mod half_close;
#[path = "interop/haproxy.rs"]
mod haproxy;
#[path = "interop/host.rs"]
mod host;
#[path = "interop/hub.rs"]
mod hub;
#[path = "interop/join.rs"]
mod join;
#[path = "interop/page.rs"]
mod page;
#[path = "interop/prometheus.rs"]
mod prometheus;
#[path = "interop/screen.rs"]
mod screen;
#[path = "interop/shell.rs"]
mod shell;
#[path = "interop/stranger.rs"]
mod stranger;
#[path = "interop/userspace.rs"]
mod userspace;
#[path = "interop/wire.rs"]
mod wire;
#[path = "interop/world.rs"]
mod world;
