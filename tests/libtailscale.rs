//! The calls of upstream's libtailscale as programs written for it make them: in C,
//! in Rust through its published crate, in Python. Each is a process of its own on the
//! private tailnet.
//!
//! | file | its one idea |
//! |---|---|
//! | `program` | a C program, compiled and linked with the archive |
//! | `conversation` | listening, dialing, half-close, addresses, threads |
//! | `crate_client` | the published crate, on this archive |
//! | `installed` | what `make libtailscale` installs, and the examples on it |
//! | `misuse` | wrong handles, descriptors and buffers |

#![allow(clippy::unwrap_used)]

#[path = "support/mod.rs"]
mod support;

#[path = "libtailscale/conversation.rs"]
mod conversation;
#[path = "libtailscale/crate_client.rs"]
mod crate_client;
#[path = "libtailscale/installed.rs"]
mod installed;
#[path = "libtailscale/misuse.rs"]
mod misuse;
#[path = "libtailscale/program.rs"]
mod program;
