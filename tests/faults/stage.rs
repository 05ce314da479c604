//! What tests share that harm nobody but their own connections.

pub(crate) use crate::support::shared::{pair, peer, tailnet};

use crate::support::settings::Settings;

/// A node of which only its start matters: what it exposes is nobody's.
pub(crate) fn alone(settings: Settings) -> Settings {
    settings.expose(7000, "127.0.0.1:9")
}
