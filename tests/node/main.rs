//! Nodes inside the test process, on a private tailnet: what the safe half of the
//! seam answers when the other half is real.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod by_hand;
mod certificate;
mod flows;
mod join;
mod logout;
mod questions;
mod stage;
#[path = "../support/mod.rs"]
mod support;
mod udp_forward;
