//! What tests share that harm nobody but their own connections: a tailnet that
//! stays as it is, a stock peer on it, and a pair of nodes that nobody stops.

use std::sync::OnceLock;

use super::pair::Pair;
use super::peer::Peer;
use super::tailnet::Tailnet;

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

/// A pair of nodes on it.
pub(crate) fn pair() -> &'static Pair {
    static PAIR: OnceLock<Pair> = OnceLock::new();
    PAIR.get_or_init(|| Pair::start(tailnet(), LANES))
}
