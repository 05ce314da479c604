//! What is known of a connection when its target is dialed: who connects, to
//! where, and on whose behalf.

use std::net::SocketAddr;

use super::peer::Peer;

/// Where a connection comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Who connects.
    pub peer: Peer,
    /// The address that it connected to; `None` where there is none.
    pub local: Option<SocketAddr>,
    /// On whose behalf, as far as a gate has found out.
    pub identity: Identity,
}

impl From<Peer> for Origin {
    /// A peer of which nothing more is known.
    fn from(peer: Peer) -> Self {
        Self {
            peer,
            local: None,
            identity: Identity::default(),
        }
    }
}

/// Who a peer is on its tailnet. What is not known is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// The login name of the node's user; a tagged node has none.
    pub user: String,
    /// The node's name.
    pub node: String,
    /// The node's tags, each with its `tag:`.
    pub tags: Vec<String>,
}

impl Identity {
    /// The user, if known.
    pub fn user(&self) -> Option<&str> {
        Some(self.user.as_str()).filter(|user| !user.is_empty())
    }

    /// The node, if known.
    pub fn node(&self) -> Option<&str> {
        Some(self.node.as_str()).filter(|node| !node.is_empty())
    }
}

impl Identity {
    /// In one word for people: the user, or the node of a user that is not known.
    pub fn shown(&self) -> Option<String> {
        let mut names = [&self.user, &self.node].into_iter();
        names.find(|name| !name.is_empty()).cloned()
    }
}
