//! What the configuration knows and this version does not do yet: refused at the start rather than
//! left out in silence.

use super::failure::Failure;
use crate::config::{Config, Forward, ForwardOptions, Host, Listen, Protocol, Target};
use crate::exit::Exit;

/// Refuses what is asked for and not there yet.
pub(super) fn check(config: &Config) -> Result<(), Failure> {
    for (is_set, what) in [
        (config.node.client_secret.is_some(), "TS_CLIENT_SECRET"),
        (!config.node.tags.is_empty(), "TS_TAGS"),
        (config.admin.is_some(), "TS_ADMIN_ADDR"),
        (config.socks5.is_some(), "TS_SOCKS5_ADDR"),
    ] {
        if is_set {
            return Err(not_yet(what));
        }
    }
    let mut forwards = config.forwards.iter();
    forwards.try_for_each(|forward| plain(forward).map(|_| ()))
}

/// The one target of a TCP forward without options.
pub(super) fn plain(configured: &Forward) -> Result<(&Host, u16), Failure> {
    let is_plain = configured.protocol() == Protocol::Tcp
        && configured.options == ForwardOptions::default()
        && !matches!(configured.listen, Listen::Unix(_));
    match configured.targets.as_slice() {
        [Target::Network { host, port }] if is_plain => Ok((host, *port)),
        _ => Err(forward(configured)),
    }
}

/// Says that this forward cannot be carried.
pub(super) fn forward(configured: &Forward) -> Failure {
    not_yet(&format!(
        "{} {configured}, which is not from one TCP port to one HOST:PORT without options,",
        configured.kind()
    ))
}

fn not_yet(what: &str) -> Failure {
    let detail = format!("{what} is not supported yet: leave it out");
    Failure::new(Exit::Usage, "usage", detail)
}
