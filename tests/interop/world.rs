//! All machines together. They are made once, for the first test that needs them,
//! and end with the test process.

use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::host::Host;
use crate::hub::Hub;
use crate::stranger::{Mode, Stranger};
use crate::support::patience::{PATIENCE, eventually};
use crate::support::settings::Settings;
use crate::support::tailport::Tailport;
use crate::wire::Wire;

static WORLD: Mutex<Option<World>> = Mutex::new(None);

static NODES: AtomicUsize = AtomicUsize::new(1);

/// A machine each for the servers, for the strangers and for ours.
pub(crate) struct World {
    /// What joins them.
    pub(crate) wire: Wire,
    /// The servers.
    pub(crate) hub: Hub,
    /// The honest peer: programs on its machine use the kernel's sockets.
    pub(crate) tun: Stranger,
    /// The peer whose programs go through tailscaled's own stack.
    pub(crate) userspace: Stranger,
    /// The machine that tailport runs on, with what it exposes.
    pub(crate) ours: Host,
}

/// One test's time with the world.
pub(crate) struct Turn(MutexGuard<'static, Option<World>>);

/// Waits for this test's turn; the first one makes the world.
pub(crate) fn turn() -> Turn {
    // What a failed test leaves behind is the same world.
    let mut world = WORLD.lock().unwrap_or_else(PoisonError::into_inner);
    if world.is_none() {
        *world = Some(World::new());
    }
    Turn(world)
}

impl Deref for Turn {
    type Target = World;

    fn deref(&self) -> &World {
        self.0.as_ref().expect("made when the turn began")
    }
}

impl World {
    fn new() -> Self {
        let mut wire = Wire::new();
        let (host, address) = wire.attach("hub");
        let hub = Hub::start(host, address);
        let (host, _) = wire.attach("tun");
        let tun = Stranger::join(host, Mode::Tun, &hub);
        let (host, _) = wire.attach("userspace");
        let userspace = Stranger::join(host, Mode::Userspace, &hub);
        let (ours, _) = wire.attach("ours");
        Self {
            wire,
            hub,
            tun,
            userspace,
            ours,
        }
    }

    /// What a node of ours needs to join, with a name of its own and a log that
    /// tests can read.
    pub(crate) fn settings(&self) -> Settings {
        let number = NODES.fetch_add(1, Relaxed);
        Settings::bare()
            .set("TS_CONTROL_URL", self.hub.url())
            .set("TS_AUTHKEY_FILE", self.hub.key_file())
            .set("TS_HOSTNAME", format!("ours-{number}"))
            .set("TS_LOG_FORMAT", "json")
            // A path that has just changed costs a dial WireGuard's 5 s.
            .set("TS_DIAL_TIMEOUT", "30s")
    }

    /// Starts a node on our machine and waits until it is ready and both strangers
    /// know the relay that it is at. Before that they have no way to answer its
    /// first handshake, and WireGuard tries the next one only 5 s later, which is
    /// all the time that a dial has.
    #[track_caller]
    pub(crate) fn start(&self, settings: &Settings) -> Tailport {
        let mut node = self.ours.enter(|| settings.spawn());
        let address = node.wait_ready().address();
        for stranger in [&self.tun, &self.userspace] {
            eventually("a stranger knows the node's relay", PATIENCE, || {
                stranger.has_relay_of(address)
            });
        }
        node
    }
}
