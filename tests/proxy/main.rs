//! The proxy, driven through its public parts over real sockets of this machine.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod dial;
mod forward;
mod relay_breaks;
mod relay_bytes;
mod relay_times;
mod serving;
mod slots;
mod support;
mod tls;
mod unix;
