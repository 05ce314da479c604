//! The proxy, driven through its public parts over real sockets of this machine.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod associate;
mod dial;
mod failover;
mod forward;
mod gate;
mod log;
mod proxy_protocol;
mod relay_breaks;
mod relay_bytes;
mod relay_times;
mod scripted;
mod serving;
mod slots;
mod socks;
mod support;
mod tls;
mod udp;
mod unix;
