//! Contestants that are this executable, started again with an argument.

mod copy;
mod forward;
#[cfg(target_os = "linux")]
mod splice;

use std::io::{self, Read, Write};
use std::net::SocketAddr;

/// The first argument of such a process; the relay and its target follow.
pub(super) const WORD: &str = "relay-process";

/// What its line on stdout begins with; its address follows.
pub(super) const READY: &str = "READY ";

/// How such a process relays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relay {
    /// As tailport does, by its own code.
    Tailport,
    /// By what tokio has for it.
    CopyBidirectional,
    /// By the kernel: two threads a connection, nothing copied to the process.
    #[cfg(target_os = "linux")]
    Splice,
}

impl Relay {
    const ALL: &[Self] = &[
        Self::Tailport,
        Self::CopyBidirectional,
        #[cfg(target_os = "linux")]
        Self::Splice,
    ];

    /// Its name in samples.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tailport => "tailport",
            Self::CopyBidirectional => "copy_bidirectional",
            #[cfg(target_os = "linux")]
            Self::Splice => "splice",
        }
    }
}

/// Is such a process, to its end, if the arguments say so.
pub(crate) fn run(words: &[String]) -> bool {
    let [word, name, target] = words else {
        return false;
    };
    if word != WORD {
        return false;
    }
    let relay = Relay::ALL.iter().find(|relay| relay.name() == name);
    let target = target.parse().expect("the target is an address");
    match relay.expect("the relay is one of them") {
        Relay::Tailport => forward::run(target),
        Relay::CopyBidirectional => copy::run(target),
        #[cfg(target_os = "linux")]
        Relay::Splice => splice::run(target),
    }
    true
}

/// Says that clients may come; returns when stdin ends.
fn ready(address: SocketAddr) {
    println!("{READY}{address}");
    io::stdout().flush().expect("stdout is read");
    let _ = io::stdin().read_to_end(&mut Vec::new());
}

/// The runtime that tailport runs in.
fn runtime() -> tokio::runtime::Runtime {
    tailport::app::runtime().expect("a runtime")
}

/// Any port of loopback.
fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}
