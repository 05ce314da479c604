//! Where a scenario is set up: the tailnet, its peers, what serves, and the contestants.

use std::cell::RefCell;
use std::net::SocketAddr;

use crate::contestant::Contestant;
use crate::kind::Kind;
use crate::load::Work;
use crate::samples::Scenario;
use crate::support::peer::Peer;
use crate::support::socket;
use crate::support::tailnet::Tailnet;

/// The ports on the tailnet.
const EXPOSED: u16 = 7000;
const SERVED: u16 = 7001;

/// A tailnet with two peers. The contestants are on this machine, beside the near peer;
/// the far one they reach by the tailnet alone.
pub(super) struct Stage {
    scenario: Scenario,
    near: Peer,
    far: Peer,
    loopback: SocketAddr,
    on_loopback: RefCell<Work>,
    on_tailnet: RefCell<Work>,
    tailnet: Tailnet,
}

/// Somebody to be measured.
pub(super) struct Entry<'a> {
    pub(super) name: &'static str,
    /// None for nobody: clients connect to the server, on loopback. It shows what the
    /// loads can do.
    pub(super) contestant: Option<Contestant>,
    /// Where clients connect.
    pub(super) to: SocketAddr,
    /// Where they arrive.
    pub(super) server: &'a RefCell<Work>,
    out: bool,
}

impl Stage {
    /// For expose or connect.
    #[track_caller]
    pub(super) fn set(scenario: Scenario) -> Self {
        let tailnet = Tailnet::start();
        let (near, far) = (Peer::start(&tailnet), Peer::start(&tailnet));
        let server = match scenario {
            Scenario::Expose => &near,
            _ => &far,
        };
        // Free now; a server that finds it taken says so.
        let loopback = socket::address(&socket::listen());
        let serve = |at: &str| RefCell::new(Work::serve(server, at).expect("the peer serves"));
        Self {
            scenario,
            loopback,
            on_loopback: serve(&loopback.to_string()),
            on_tailnet: serve(&SERVED.to_string()),
            near,
            far,
            tailnet,
        }
    }

    /// Who makes the load.
    pub(super) fn client(&self) -> &Peer {
        match self.scenario {
            Scenario::Expose => &self.far,
            _ => &self.near,
        }
    }

    /// Starts all contestants, and adds nobody to them.
    #[track_caller]
    pub(super) fn entries(&self) -> Vec<Entry<'_>> {
        let direct = Entry {
            name: "direct",
            contestant: None,
            to: self.loopback,
            server: &self.on_loopback,
            out: false,
        };
        let kinds = match self.scenario {
            Scenario::Expose => Kind::EXPOSING,
            _ => Kind::CONNECTING,
        };
        let kinds = kinds.into_iter().chain(Kind::before());
        let contestants = kinds.map(|kind| self.entry(kind));
        contestants.chain([direct]).collect()
    }

    fn entry(&self, kind: Kind) -> Entry<'_> {
        let (contestant, server) = match self.scenario {
            Scenario::Expose => {
                let contestant = Contestant::expose(kind, &self.tailnet, EXPOSED, self.loopback);
                (contestant, &self.on_loopback)
            }
            _ => {
                let to = SocketAddr::new(self.far.address(), SERVED);
                let contestant = Contestant::connect(kind, &self.tailnet, to);
                (contestant, &self.on_tailnet)
            }
        };
        self.far.greet(contestant.node());
        Entry {
            name: contestant.name(),
            to: contestant.address(),
            contestant: Some(contestant),
            server,
            out: false,
        }
    }
}

impl Entry<'_> {
    /// Whether it has ended; says so once.
    pub(super) fn is_out(&mut self) -> bool {
        if self.out {
            return true;
        }
        let ended = self.contestant.as_mut().and_then(Contestant::has_ended);
        if let Some(status) = ended {
            eprintln!("{} is left out from now on: {status}", self.name);
            self.out = true;
        }
        self.out
    }
}
