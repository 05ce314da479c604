//! What the node and its Go half say while they run, put where a person finds it.

use humantime::format_rfc3339_seconds;

use super::failure::Failure;
use super::report;
use crate::exit::Exit;
use crate::tailnet::{Error, ErrorKind, Event, Events, Logs};

/// Logs the node's changes. Returns only when the node cannot go on without a
/// person.
pub(super) async fn node(mut events: Events) -> Failure {
    let mut readiness = Readiness::default();
    loop {
        match events.next().await {
            Some(Ok(event)) => readiness.note(event),
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

/// The backend's state while peers can be reached.
const RUNNING: &str = "Running";

/// Whether the node can carry connections now; it has been able to at READY.
#[derive(Default)]
struct Readiness {
    lost: bool,
}

impl Readiness {
    fn note(&mut self, event: Event) {
        match event {
            Event::State(state) if state == RUNNING => {
                if std::mem::take(&mut self.lost) {
                    tracing::info!(ready = true, "ready again");
                }
            }
            Event::State(state) => {
                self.lost = true;
                tracing::warn!(ready = false, state, "not ready: {}", meaning(&state));
            }
            Event::Login { url } => report::login(&url),
            Event::Node(info) => tracing::info!(
                dns_name = info.dns_name,
                addresses = ?info.addresses,
                key_expiry = info.key_expiry.map(|time| format_rfc3339_seconds(time).to_string()),
                expired = info.expired,
                "the node"
            ),
            Event::PeersChanged => tracing::debug!("peers have changed"),
            Event::Health(warnings) if warnings.is_empty() => tracing::info!("the node is well"),
            Event::Health(warnings) => {
                for warning in warnings {
                    tracing::warn!(code = warning.code, "{}", warning.text);
                }
            }
        }
    }
}

/// What a state other than running asks of people.
fn meaning(state: &str) -> &'static str {
    match state {
        "NeedsLogin" => {
            "the node's key has expired or was taken back; an admin can extend it, or someone logs \
             the node in"
        }
        "NeedsMachineAuth" => "an admin must approve this node",
        _ => "the node is connecting",
    }
}

/// Passes the Go half's log lines on, at debug level: they are many, and meant
/// for those who look into the library.
pub(super) async fn relay_logs(mut logs: Logs) {
    while let Some(Ok(line)) = logs.next().await {
        if line.dropped > 0 {
            tracing::debug!(target: "tailscale", from = "tailscale", dropped = line.dropped, "lines lost");
        }
        tracing::debug!(target: "tailscale", from = "tailscale", "{}", printable(&line.text));
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
