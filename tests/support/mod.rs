//! What tests of the built program stand on: a private tailnet, nodes on it, and
//! the sockets of this machine at both ends.
//!
//! | file | its one idea |
//! |---|---|
//! | `tailnet` | the private tailnet as a child process, and its admin calls |
//! | `authority` | a certificate authority for its names |
//! | `tailport` | the built program as a child process |
//! | `settings` | with which environment and arguments it is started |
//! | `home` | the directory that holds a node's state and key |
//! | `peer` | a stock node that dials and listens on demand |
//! | `pair` | two nodes of ours, joined by lanes |
//! | `shared` | a tailnet, a peer and a pair for all tests that leave them as they are |
//! | `child` | any child process: output, signals, exit |
//! | `output` | the lines that a child has printed so far |
//! | `reaper` | nothing outlives the tests, however they end |
//! | `go_program` | a Go program of the tests, built once |
//! | `http` | requests to a server on loopback |
//! | `socket` | TCP sockets of a test, with a bound on every wait |
//! | `server` | TCP servers that count their connections |
//! | `black_hole` | a port that answers nothing |
//! | `content` | bytes by length and seed, told apart by their hash |
//! | `patience` | bounded waiting |
//! | `process` | what the kernel says of a process |
//! | `unpacked` | programs of Debian packages that are only unpacked |
//!
//! All of it panics where a test would: what fails here is the test's failure.
//! Nothing uses an address outside of loopback.

// Every test binary uses its own part.
#![allow(dead_code, clippy::unwrap_used)]

pub(crate) mod authority;
pub(crate) mod black_hole;
pub(crate) mod child;
pub(crate) mod content;
pub(crate) mod go_program;
pub(crate) mod home;
pub(crate) mod http;
pub(crate) mod output;
pub(crate) mod pair;
pub(crate) mod patience;
pub(crate) mod peer;
pub(crate) mod process;
pub(crate) mod reaper;
pub(crate) mod server;
pub(crate) mod settings;
pub(crate) mod shared;
pub(crate) mod socket;
pub(crate) mod tailnet;
pub(crate) mod tailport;
pub(crate) mod unpacked;
