//! A gate that bounds what one peer may take: connections at once, and new ones a
//! second.

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    gate::{Admission, Denied, Gate},
    origin::Identity,
    peer::Peer,
};

/// The most peers that are kept in mind. Those that hold no connection and have
/// their whole rate left are forgotten when there are more.
const MOST_PEERS: usize = 10_000;
/// How long a rate takes to be whole again.
const SECOND: Duration = Duration::from_secs(1);

/// What one peer may take. `None` is as much as it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PeerLimits {
    /// Connections at once.
    pub at_once: Option<u32>,
    /// New connections a second; as many may come in one moment.
    pub per_second: Option<u32>,
}

/// Asks another gate first, and holds whom it lets in to limits of their own.
///
/// A peer is a tailnet node where that gate tells its name, else an address
/// without its port, else a user of this machine. Forwards that share the gate,
/// by an [`Arc`], share the limits.
#[derive(Debug)]
pub struct Limited<G> {
    inner: G,
    limits: PeerLimits,
    peers: Arc<Peers>,
}

impl<G: Gate> Limited<G> {
    /// The gate `inner` with these limits behind it.
    pub fn new(inner: G, limits: PeerLimits) -> Self {
        Self {
            inner,
            limits,
            peers: Arc::default(),
        }
    }

    /// Another gate and other limits for the same peers: what they hold still counts.
    #[must_use]
    pub fn succeeded_by(&self, inner: G, limits: PeerLimits) -> Self {
        Self {
            inner,
            limits,
            peers: Arc::clone(&self.peers),
        }
    }

    /// How many peers are kept in mind now.
    pub fn peers(&self) -> usize {
        self.peers.lock().len()
    }
}

impl<G: Gate> Gate for Limited<G> {
    async fn admit(&self, peer: &Peer) -> Result<Admission, Denied> {
        let admission = self.inner.admit(peer).await?;
        if self.limits == PeerLimits::default() {
            return Ok(admission);
        }
        let who = Who::of(peer, &admission.identity);
        let place = Peers::take(&self.peers, who, &self.limits)
            .map_err(|reason| Denied::new(reason).of(admission.identity.clone()))?;
        Ok(admission.holding(place))
    }
}

/// What counts as one peer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Who {
    Node(String),
    Address(IpAddr),
    User(Option<u32>),
}

impl Who {
    fn of(peer: &Peer, identity: &Identity) -> Self {
        match (identity.node(), peer) {
            (Some(node), _) => Self::Node(node.to_owned()),
            (None, Peer::Address(address)) => Self::Address(address.ip().to_canonical()),
            (None, Peer::Unix { uid }) => Self::User(*uid),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(node) => f.write_str(node),
            Self::Address(address) => address.fmt(f),
            Self::User(Some(uid)) => write!(f, "uid {uid}"),
            Self::User(None) => f.write_str("this machine"),
        }
    }
}

/// The peers in mind.
#[derive(Debug, Default)]
struct Peers(Mutex<HashMap<Who, Taken>>);

/// What one peer has taken.
#[derive(Debug)]
struct Taken {
    open: u32,
    /// Connections that it may still open now, refilled as time passes.
    left: f64,
    filled: Instant,
}

impl Peers {
    /// Takes a place for one more connection, or says which limit is reached.
    fn take(peers: &Arc<Self>, who: Who, limits: &PeerLimits) -> Result<Place, String> {
        let now = Instant::now();
        let mut known = peers.lock();
        if known.len() >= MOST_PEERS && !known.contains_key(&who) {
            known.retain(|_, taken| !taken.is_idle(now));
            if known.len() >= MOST_PEERS {
                return Err(format!("more than {MOST_PEERS} peers within a second"));
            }
        }
        let rate = f64::from(limits.per_second.unwrap_or(u32::MAX));
        let taken = known.entry(who.clone()).or_insert(Taken {
            open: 0,
            left: rate,
            filled: now,
        });
        taken.fill(rate, now);
        if let Some(most) = limits.at_once.filter(|most| taken.open >= *most) {
            return Err(format!("{who} has {most} connections open already"));
        }
        if taken.left < 1.0 {
            return Err(format!("{who} opens more than {rate} connections a second"));
        }
        taken.left -= 1.0;
        taken.open = taken.open.saturating_add(1);
        Ok(Place {
            peers: Arc::clone(peers),
            who,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Who, Taken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn fill(&mut self, rate: f64, now: Instant) {
        let since = now.saturating_duration_since(self.filled);
        self.left = (self.left + since.as_secs_f64() * rate).min(rate);
        self.filled = now;
    }

    /// Whether forgetting it changes nothing.
    fn is_idle(&self, now: Instant) -> bool {
        self.open == 0 && now.saturating_duration_since(self.filled) >= SECOND
    }
}

/// One connection of a peer, given back when dropped.
#[derive(Debug)]
struct Place {
    peers: Arc<Peers>,
    who: Who,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(taken) = self.peers.lock().get_mut(&self.who) {
            taken.open = taken.open.saturating_sub(1);
        }
    }
}
