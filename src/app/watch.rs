//! What the node and its Go half say while they run, put where people and programs find
//! it: the log and the node's status.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::SystemTime;

use humantime::format_rfc3339_seconds;
use tokio::sync::watch;
use tokio::time::sleep;

use super::failure::Failure;
use super::identities::Identities;
use super::key_expiry::KeyExpiry;
use super::report;
use crate::admin::{NodeStatus, RUNNING, Remark, meaning, service_pending};
use crate::exit::Exit;
use crate::tailnet::{Error, ErrorKind, Event, Events, Logs, NodeInfo, Warning};

/// Logs the node's changes and keeps its status. Returns only when the node cannot go on
/// without a person.
pub(super) async fn node(
    mut events: Events,
    status: &watch::Sender<NodeStatus>,
    identities: Identities,
) -> Failure {
    let mut changes = Changes {
        status,
        identities,
        lost: false,
        expiry: KeyExpiry::default(),
        services: BTreeMap::new(),
    };
    changes.expiry.note(status.borrow().key_expiry);
    changes.expiry.warn(SystemTime::now());
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = sleep(changes.expiry.pause(SystemTime::now())) => {
                changes.expiry.warn(SystemTime::now());
                continue;
            }
        };
        match event {
            Some(Ok(event)) => changes.note(event),
            Some(Err(error)) if error.kind() == ErrorKind::LoginRefused => return gone(&error),
            Some(Err(error)) if error.kind() == ErrorKind::Closed => return error.into(),
            Some(Err(error @ Error::Answer { .. })) => {
                tracing::warn!(%error, "the control server objects");
            }
            Some(Err(error)) => return error.into(),
            None => {
                return Failure::new(Exit::Internal, "internal", "the node's watch has ended");
            }
        }
    }
}

/// The control server no longer takes this node for one of its own.
fn gone(error: &Error) -> Failure {
    Failure::new(
        Exit::Login,
        ErrorKind::LoginRefused.name(),
        format!(
            "the control server refuses this node, perhaps an admin has deleted it: {error}; start \
             again with a new key in TS_AUTHKEY_FILE to join as a new node"
        ),
    )
}

/// Takes over who the node is.
pub(super) fn describe(status: &mut NodeStatus, info: &NodeInfo) {
    status.hostname.clone_from(&info.hostname);
    status.dns_name.clone_from(&info.dns_name);
    status.addresses.clone_from(&info.addresses);
    status.key_expiry = info.key_expiry;
    status.key_expired = info.expired;
    status.services.clone_from(&info.services);
}

/// What has been heard since READY, when the node could carry connections.
struct Changes<'a> {
    status: &'a watch::Sender<NodeStatus>,
    identities: Identities,
    lost: bool,
    expiry: KeyExpiry,
    services: BTreeMap<String, Vec<IpAddr>>,
}

impl Changes<'_> {
    fn note(&mut self, event: Event) {
        match event {
            Event::State(state) => {
                self.status.send_modify(|status| status.enter(&state));
                if state != RUNNING {
                    self.lost = true;
                    tracing::warn!(ready = false, state, "not ready: {}", meaning(&state));
                } else if std::mem::take(&mut self.lost) {
                    tracing::info!(ready = true, "ready again");
                }
            }
            Event::Login { url } => {
                self.status.send_modify(|status| status.ask_for_login(&url));
                report::login(&url);
            }
            Event::Node(info) => {
                self.status.send_modify(|status| describe(status, &info));
                self.expiry.note(info.key_expiry);
                tracing::info!(
                    dns_name = info.dns_name,
                    addresses = ?info.addresses,
                    key_expiry = info.key_expiry.map(|time| format_rfc3339_seconds(time).to_string()),
                    expired = info.expired,
                    "the node"
                );
                self.expiry.warn(SystemTime::now());
                self.host(info.services);
            }
            Event::PeersChanged => self.identities.forget(),
            Event::Health(warnings) => {
                if warnings.is_empty() {
                    tracing::info!("the node is well");
                }
                for warning in &warnings {
                    tracing::warn!(code = warning.code, "{}", warning.text);
                }
                let health = warnings.into_iter().map(remark).collect();
                self.status.send_modify(|status| status.health = health);
            }
        }
    }

    /// Says of each service that is hosted whether it has addresses here, when that is new.
    fn host(&mut self, services: BTreeMap<String, Vec<IpAddr>>) {
        for (service, addresses) in &services {
            if self.services.get(service) == Some(addresses) {
                continue;
            }
            match addresses.is_empty() {
                true => tracing::warn!(service, "{}", service_pending(service)),
                false => tracing::info!(service, ?addresses, "hosting a service"),
            }
        }
        self.services = services;
    }
}

fn remark(Warning { code, text }: Warning) -> Remark {
    Remark { code, text }
}

/// Where the Go half's log lines come from, for a filter.
const LIBRARY: &str = "tailscale";

/// Whether anybody reads what [`relay_logs`] passes on. If not, the Go half need not even
/// write its lines: at a start there are about 150.
pub(super) fn wants_logs() -> bool {
    tracing::enabled!(target: LIBRARY, tracing::Level::DEBUG)
}

/// Passes the Go half's log lines on, at debug level: they are many, and meant
/// for those who look into the library.
pub(super) async fn relay_logs(mut logs: Logs) {
    while let Some(Ok(line)) = logs.next().await {
        if line.dropped > 0 {
            tracing::debug!(target: LIBRARY, from = LIBRARY, dropped = line.dropped, "lines lost");
        }
        tracing::debug!(target: LIBRARY, from = LIBRARY, "{}", printable(&line.text));
    }
}

/// A line without what a terminal would obey; the library marks some of its lines
/// with a NUL.
fn printable(line: &str) -> String {
    line.replace(
        |character: char| character.is_control() && character != '\t',
        " ",
    )
}

#[cfg(test)]
mod tests {
    use tracing::subscriber::with_default;

    use super::*;

    #[test]
    fn log_lines_are_wanted_where_the_filter_lets_them_through() {
        for (filter, wanted) in [
            ("info", false),
            ("debug", true),
            ("warn,tailscale=debug", true),
            ("debug,tailscale=info", false),
        ] {
            let subscriber = tracing_subscriber::fmt().with_env_filter(filter).finish();
            assert_eq!(with_default(subscriber, wants_logs), wanted, "{filter}");
        }
    }
}
