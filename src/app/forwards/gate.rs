//! Who may come in from the tailnet: its own answer to who an address is, held
//! against a forward's allow list.

use std::num::NonZeroU32;
use std::sync::Arc;

use crate::app::identities::Identities;
use crate::config::{Allow, Forward, Identity as Listed};
use crate::proxy::gate::{Admission, Denied, Gate};
use crate::proxy::origin::Identity;
use crate::proxy::peer::Peer;
use crate::proxy::peer_limits::{Limited, PeerLimits};
use crate::tailnet::WhoIs;

/// The gate of an expose, with what one peer may take behind it.
pub(super) type ExposeGate = Arc<Limited<TailnetGate>>;

/// What one peer may take of a forward.
pub(super) fn limits(configured: &Forward) -> PeerLimits {
    let options = &configured.options;
    PeerLimits {
        at_once: options.peer_connections.map(NonZeroU32::get),
        per_second: options.peer_connections_per_second.map(NonZeroU32::get),
    }
}

/// Who is let in by the tailnet and the allow list. Without a list everyone comes in,
/// and is named in the log as far as the tailnet knows them.
#[derive(Debug)]
pub(super) struct TailnetGate {
    pub(super) identities: Identities,
    pub(super) allow: Vec<Allow>,
    /// The MagicDNS domain of this tailnet.
    pub(super) domain: Arc<str>,
}

impl Gate for TailnetGate {
    async fn admit(&self, peer: &Peer) -> Result<Admission, Denied> {
        let Some(address) = peer.address() else {
            return Err(Denied::new("it has no address on the tailnet"));
        };
        let address = address.ip();
        let who = match self.identities.of(address).await {
            Ok(who) => who,
            Err(_) if self.allow.is_empty() => return Ok(Admission::default()),
            Err(error) => return Err(Denied::new(format!("nobody knows who it is: {error}"))),
        };
        let identity = named(&who);
        if self.allow.is_empty() {
            return Ok(identity.into());
        }
        let listed = Listed {
            user: who.login.clone(),
            tags: who.tags.clone(),
            node: who.dns_name.clone(),
            domain: self.domain.to_string(),
            address,
            capabilities: who.capabilities.keys().cloned().collect(),
        };
        match self.allow.iter().any(|entry| entry.matches(&listed)) {
            true => Ok(identity.into()),
            false => Err(Denied::new("it is not in the forward's allow list").of(identity)),
        }
    }
}

fn named(who: &WhoIs) -> Identity {
    Identity {
        user: who.login.clone().unwrap_or_default(),
        node: who.name.clone(),
        tags: who.tags.clone(),
    }
}
