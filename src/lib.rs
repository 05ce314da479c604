//! tailport: sockets forwarded over a tailnet, by a node of its own.
//!
//! ```text
//! tailnet peer ──WireGuard──► tsnet (Go, libtailscale.a) ══socketpair══► this crate ──TCP──► 127.0.0.1:22     expose
//! local client ──TCP──► this crate ══socketpair══► tsnet (Go, libtailscale.a) ──WireGuard──► rdp-host:3389     connect
//! ```
//!
//! One process, one node on the tailnet, any number of forwards in both
//! directions. The Go half (`vendor/libtailscale`) owns the tailnet: login,
//! WireGuard, the network stack. This crate owns every decision: configuration,
//! the connection cap, dialing, the half-close copy, timeouts, the drain. Only bytes
//! that just flow are moved by the Go half alone, through a socket that it is lent.
//!
//! # The layout
//!
//! Arrows go one way, and `tests/architecture.rs` keeps them so.
//!
//! ```text
//! main ──► cli, config, telemetry::logging, app, exit
//! cli ──► config, state_dir, exit, admin's client and what it brings
//! app ──► every other room but cli                                        the only one that knows every part
//! proxy::node ──► tailnet                                                  the only bridge between the two
//! proxy::kernel ──► tailnet::unacknowledged                                one question to a socket
//! proxy::* ──► proxy::endpoint, shutdown, telemetry, turn
//! tailnet::* ──► tailnet::sys ──► ffi; turn                                sys is the only room with unsafe
//! admin ──► telemetry                                                      status, metrics, and the doors to them
//! config, exit, shutdown, telemetry::metrics, turn, ffi                    leaves
//! ```
//!
//! | room | what it is |
//! |---|---|
//! | [`cli`] | the command line |
//! | [`config`] | from flags, environment and file to settings that need no more checks |
//! | [`state_dir`] | the node's directory: its mode, its lock |
//! | [`telemetry`] | the log, the counters |
//! | [`admin`] | what those who run it look at: status, health, metrics, actions |
//! | [`tailnet`] | the Go half as safe, owned types |
//! | [`proxy`] | from a connection's arrival to its end |
//! | [`shutdown`] | the two requests to stop |
//! | [`turn`] | tasks that go on in the thread that wakes them |
//! | [`app`] | all of it put together: build, serve, stop |
//! | [`exit`] | the exit codes |
//!
//! # The life of the process
//!
//! Parse (no sockets) → build (descriptor limit, state directory, control socket, local
//! listeners, node up, tailnet listeners) → the READY line → serve (nothing new can fail to
//! start, and the configuration can be read again) → signal → drain → flush → close.
//!
//! # The life of a connection
//!
//! 1. [`proxy`]'s accept loop takes it from a listener and claims a slot of the
//!    process-wide cap, at once or not at all: without one it is refused and
//!    counted. Nothing is waited for until it has a task of its own. What comes from the
//!    tailnet is decided in the thread that brings it, as far as nothing is waited for.
//! 2. The task asks the forward's gate, if it has one, who the peer is and whether
//!    it is let in, opens the peer's stream (a TLS handshake, what SOCKS5 says first),
//!    and dials the target within TS_DIAL_TIMEOUT, name resolution and repeated tries
//!    included. A denial, or a dial that fails, resets the peer.
//! 3. The two sides are joined: the Go half moves the bytes between the tailnet and the
//!    lent socket, and passes clean ends on, without a task being woken. At anything
//!    else, and for streams that cannot be lent (TLS), the relay has both sides. It
//!    runs two independent directions, each copying, then shutting down, then done. A failed write only makes its direction discard what still
//!    comes; how a side ends is decided by how reading the other one ended, a
//!    reset being passed on once what came before it has been acknowledged.
//! 4. One closing line in the log, and the slot returns, on every path: the end,
//!    an error, an abort, a panic.
//! 5. At the process's end, what was written is flushed before the node closes:
//!    done copying is not delivered.

pub mod admin;
pub mod app;
pub mod cli;
pub mod config;
pub mod exit;
mod ffi;
pub mod proxy;
pub mod shutdown;
pub mod state_dir;
pub mod tailnet;
pub mod telemetry;
pub mod turn;
