//! What tests share that harm nobody but their own connections: a tailnet that
//! stays as it is, a stock peer, and a pair of nodes.

use std::sync::OnceLock;

use crate::support::pair::Pair;
use crate::support::peer::Peer;
use crate::support::settings::Settings;
use crate::support::tailnet::Tailnet;

/// Lanes of the shared pair: two for every test that runs at one time.
const LANES: u16 = 16;

/// The tailnet of all tests that leave it as it is.
pub(crate) fn tailnet() -> &'static Tailnet {
    static TAILNET: OnceLock<Tailnet> = OnceLock::new();
    TAILNET.get_or_init(Tailnet::start)
}

/// The stock peer on it.
pub(crate) fn peer() -> &'static Peer {
    static PEER: OnceLock<Peer> = OnceLock::new();
    PEER.get_or_init(|| Peer::start(tailnet()))
}

/// A pair of nodes on it that nobody stops.
pub(crate) fn pair() -> &'static Pair {
    static PAIR: OnceLock<Pair> = OnceLock::new();
    PAIR.get_or_init(|| Pair::start(tailnet(), LANES))
}

/// A node of which only its start matters: what it exposes is nobody's.
pub(crate) fn alone(settings: Settings) -> Settings {
    settings.expose(7000, "127.0.0.1:9")
}
