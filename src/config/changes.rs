//! What is different between two configurations, for a program that reads its own again while it
//! runs.

use super::forward::Forward;
use super::log::LogConfig;
use super::secret::Secret;
use super::{Config, NodeConfig, Timeouts};

/// The difference between two configurations. Every old forward is in one of `removed`, `changed`
/// and `kept`, every new one in one of `added`, `changed` and `kept`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Forwards that listen where none did, as configured now. One may need the place of a removed
    /// one: another protocol on the same port, or another address that covers it.
    pub added: Vec<Forward>,
    /// Forwards whose listening side is gone, as configured before.
    pub removed: Vec<Forward>,
    /// Forwards that go on listening where they did, otherwise different: before and now.
    pub changed: Vec<(Forward, Forward)>,
    /// Forwards that are the same. What they take from the node's settings may still differ.
    pub kept: Vec<Forward>,
    /// The settings beside forwards that differ, by their variables. The running node keeps its
    /// old ones until it is started again.
    pub restart_needed: Vec<&'static str>,
}

impl Changes {
    /// Whether nothing is different.
    pub fn is_empty(&self) -> bool {
        let Changes {
            added,
            removed,
            changed,
            kept: _,
            restart_needed,
        } = self;
        added.is_empty() && removed.is_empty() && changed.is_empty() && restart_needed.is_empty()
    }
}

/// Compares two configurations; opens and changes nothing.
pub fn changes(old: &Config, new: &Config) -> Changes {
    let mut changes = Changes {
        added: new.forwards.clone(),
        restart_needed: settings(old, new),
        ..Changes::default()
    };
    // The same ones first: several may listen on a port that the system chooses.
    let mut others = Vec::new();
    for forward in &old.forwards {
        match changes.added.iter().position(|new| new == forward) {
            Some(at) => changes.kept.push(changes.added.remove(at)),
            None => others.push(forward.clone()),
        }
    }
    for forward in others {
        let in_its_place = |new: &Forward| new.listen == forward.listen;
        match changes.added.iter().position(in_its_place) {
            Some(at) => changes.changed.push((forward, changes.added.remove(at))),
            None => changes.removed.push(forward),
        }
    }
    changes
}

/// The variables of the settings that differ. Everything is taken apart by name, so that a new
/// setting cannot be forgotten.
fn settings(old: &Config, new: &Config) -> Vec<&'static str> {
    let Config {
        node,
        forwards: _,
        timeouts,
        max_connections,
        memory_limit,
        admin,
        socks5,
        socks5_rules,
        log,
        file: _,
    } = old;
    let NodeConfig {
        hostname,
        control_url,
        state_dir,
        auth_key,
        client_secret,
        tags,
        ephemeral,
    } = node;
    let Timeouts {
        start,
        login,
        dial,
        idle,
        drain,
        keepalive,
    } = timeouts;
    let LogConfig {
        filter,
        format,
        upload,
    } = log;
    let times = &new.timeouts;
    let all = [
        ("TS_AUTHKEY", !same(auth_key, &new.node.auth_key)),
        (
            "TS_CLIENT_SECRET",
            !same(client_secret, &new.node.client_secret),
        ),
        ("TS_TAGS", *tags != new.node.tags),
        ("TS_CONTROL_URL", *control_url != new.node.control_url),
        ("TS_HOSTNAME", *hostname != new.node.hostname),
        ("TS_STATE_DIR", *state_dir != new.node.state_dir),
        ("TS_EPHEMERAL", *ephemeral != new.node.ephemeral),
        ("TS_TIMEOUT", *start != times.start),
        ("TS_LOGIN_TIMEOUT", *login != times.login),
        ("TS_DIAL_TIMEOUT", *dial != times.dial),
        ("TS_IDLE_TIMEOUT", *idle != times.idle),
        ("TS_DRAIN_TIMEOUT", *drain != times.drain),
        ("TS_KEEPALIVE", *keepalive != times.keepalive),
        (
            "TS_MAX_CONNECTIONS",
            *max_connections != new.max_connections,
        ),
        ("TS_MEMORY_LIMIT", *memory_limit != new.memory_limit),
        ("TS_ADMIN_ADDR", *admin != new.admin),
        (
            "TS_SOCKS5_ADDR",
            *socks5 != new.socks5 || !socks5_rules.is(&new.socks5_rules),
        ),
        ("TS_LOG", *filter != new.log.filter),
        ("TS_LOG_FORMAT", *format != new.log.format),
        ("TS_LOG_UPLOAD", *upload != new.log.upload),
    ];
    let differ = all.into_iter().filter(|(_, differs)| *differs);
    differ.map(|(name, _)| name).collect()
}

fn same(one: &Option<Secret>, other: &Option<Secret>) -> bool {
    one.as_ref().map(Secret::expose) == other.as_ref().map(Secret::expose)
}

#[cfg(test)]
mod tests;
