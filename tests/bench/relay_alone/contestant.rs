//! Who is compared, and how each is started.

use std::io;
use std::net::SocketAddr;
use std::process::Command;

use super::haproxy;
use super::load::{self, Target};
use super::process::{self, Relay};
use crate::support::child::Child;
use crate::support::home::Home;
use crate::support::patience::PATIENCE;
use crate::support::process as kernel;

/// Who relays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// This executable, started again.
    Own(Relay),
    /// HAProxy, told to splice or not.
    Haproxy { splice: bool },
    /// Nobody: clients connect to the target. It shows what the loads can do.
    Direct,
}

const ALL: &[Kind] = &[
    Kind::Own(Relay::Tailport),
    Kind::Own(Relay::CopyBidirectional),
    #[cfg(target_os = "linux")]
    Kind::Own(Relay::Splice),
    Kind::Haproxy { splice: false },
    Kind::Haproxy { splice: true },
    Kind::Direct,
];

/// Those that are on this machine; says who is not.
pub(super) fn present() -> Vec<Kind> {
    let has_haproxy = haproxy::is_there();
    if !has_haproxy {
        eprintln!("relay    without HAProxy, which make bench unpacks");
    }
    let there = |kind: &Kind| has_haproxy || !matches!(kind, Kind::Haproxy { .. });
    ALL.iter().copied().filter(there).collect()
}

impl Kind {
    /// Its name in samples.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Own(relay) => relay.name(),
            Self::Haproxy { splice: false } => "haproxy",
            Self::Haproxy { splice: true } => "haproxy-splice",
            Self::Direct => "direct",
        }
    }
}

/// A contestant that relays.
pub(super) struct Contestant {
    address: SocketAddr,
    process: Option<Child>,
    // Removed after what runs in it.
    _home: Option<Home>,
}

impl Contestant {
    /// Starts it; when this returns, one connection has gone through it.
    pub(super) fn start(kind: Kind, target: &Target) -> Self {
        let contestant = Self::new(kind, target.address());
        let client = load::connect(contestant.address);
        drop((target.accept(), client));
        contestant
    }

    fn new(kind: Kind, target: SocketAddr) -> Self {
        match kind {
            Kind::Own(relay) => Self::own(relay, target),
            Kind::Haproxy { splice } => {
                let home = Home::new();
                let (address, child) = haproxy::start(&home, target, splice);
                Self {
                    address,
                    process: Some(child),
                    _home: Some(home),
                }
            }
            Kind::Direct => Self {
                address: target,
                process: None,
                _home: None,
            },
        }
    }

    fn own(relay: Relay, target: SocketAddr) -> Self {
        let program = std::env::current_exe().expect("this executable has a path");
        let mut command = Command::new(program);
        command.args([process::WORD, relay.name(), &target.to_string()]);
        let child = Child::start(relay.name(), &mut command);
        let line = child
            .stdout
            .wait(PATIENCE, |line| line.starts_with(process::READY));
        let line = line.unwrap_or_else(|| panic!("{} was not ready", relay.name()));
        let address = line[process::READY.len()..].parse();
        Self {
            address: address.expect("an address"),
            process: Some(child),
            _home: None,
        }
    }

    /// Where clients connect.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The seconds of CPU time that it has used; none for nobody.
    pub(super) fn cpu(&self) -> Option<f64> {
        self.of_process(kernel::processor)
    }

    /// Lets the peak of its memory begin now.
    pub(super) fn forget_peak(&self) {
        if let Some(child) = &self.process {
            kernel::forget_peak(child.pid()).expect("the process runs");
        }
    }

    /// The most bytes that were resident since; none for nobody.
    pub(super) fn peak(&self) -> Option<u64> {
        self.of_process(kernel::peak_resident)
    }

    fn of_process<T>(&self, look: impl Fn(u32) -> io::Result<T>) -> Option<T> {
        let process = self.process.as_ref()?;
        Some(look(process.pid()).expect("the process runs"))
    }
}
