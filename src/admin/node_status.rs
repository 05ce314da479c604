//! What is known of the node: one value, kept by whoever hears of changes, read by everyone.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::time;

/// The backend's state while peers can be reached.
pub const RUNNING: &str = "Running";

/// The backend's state while an admin has not approved the node.
pub const NEEDS_APPROVAL: &str = "NeedsMachineAuth";

/// Every state that the backend can be in, as it names them.
pub const STATES: [&str; 7] = [
    "NoState",
    "InUseOtherUser",
    "NeedsLogin",
    NEEDS_APPROVAL,
    "Stopped",
    "Starting",
    RUNNING,
];

/// How far the program is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The READY line has not been printed.
    #[default]
    Starting,
    /// It forwards.
    Serving,
    /// It takes nothing new.
    Stopping,
}

/// The node, as it is known now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// How far the program is.
    pub phase: Phase,
    /// The backend's state, one of [`STATES`]; empty before it has told one.
    pub state: String,
    /// The name it was given, without a domain.
    pub hostname: String,
    /// Its MagicDNS name; `None` without MagicDNS or before it runs.
    pub dns_name: Option<String>,
    /// Its addresses on the tailnet.
    pub addresses: Vec<IpAddr>,
    /// When its key expires; `None` when it does not.
    #[serde(with = "time::optional")]
    pub key_expiry: Option<SystemTime>,
    /// Whether its key has expired.
    pub key_expired: bool,
    /// Whether a person must log it in.
    pub login_needed: bool,
    /// Where a person can log it in. Who has it can put the node on a tailnet of theirs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub login_url: Option<String>,
    /// Why the control server could not be asked yet.
    pub waiting: Option<String>,
    /// All that the node says is not well.
    pub health: Vec<Remark>,
    /// The services that it hosts, each with its addresses here: none before it is approved.
    #[serde(default)]
    pub services: BTreeMap<String, Vec<IpAddr>>,
}

/// One thing to know, for programs and for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// A short name that stays the same.
    pub code: String,
    /// What it means and what to do.
    pub text: String,
}

impl Remark {
    fn new(code: &str, text: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            text: text.into(),
        }
    }
}

impl NodeStatus {
    /// Whether connections can be carried now.
    pub fn ready(&self) -> bool {
        self.reasons().is_empty()
    }

    /// Why they cannot; empty when they can.
    pub fn reasons(&self) -> Vec<Remark> {
        let mut reasons = Vec::new();
        match self.phase {
            Phase::Starting => reasons.push(Remark::new("starting", "the node is starting")),
            Phase::Stopping => reasons.push(Remark::new("stopping", "the program is stopping")),
            Phase::Serving => {}
        }
        if self.login_needed {
            let text = "someone must log this node in; `tailport status` shows where";
            reasons.push(Remark::new("login_needed", text));
        }
        if let Some(why) = &self.waiting {
            let text = format!("the control server cannot be asked yet: {why}");
            reasons.push(Remark::new("control_unreachable", text));
        }
        if self.key_expired {
            let text = "the node's key has expired; an admin can extend it";
            reasons.push(Remark::new("key_expired", text));
        }
        let blocked = match self.phase {
            Phase::Starting => self.state == NEEDS_APPROVAL,
            Phase::Serving => self.state != RUNNING,
            Phase::Stopping => false,
        };
        if blocked {
            reasons.push(Remark::new("not_running", meaning(&self.state)));
        }
        if self.phase == Phase::Serving && self.state == RUNNING {
            let missing = self.services.iter().filter(|(_, here)| here.is_empty());
            let remark = |(service, _): (&String, _)| {
                Remark::new("service_pending", service_pending(service))
            };
            reasons.extend(missing.map(remark));
        }
        reasons
    }

    /// The same without what only the node's owner may know.
    #[must_use]
    pub fn public(&self) -> Self {
        Self {
            login_url: None,
            ..self.clone()
        }
    }

    /// Notes the backend's state; one in which peers are reached ends what was waited for.
    pub fn enter(&mut self, state: &str) {
        state.clone_into(&mut self.state);
        if state == RUNNING {
            self.login_needed = false;
            self.login_url = None;
            self.waiting = None;
        }
    }

    /// Notes that a person is waited for, here.
    pub fn ask_for_login(&mut self, url: &str) {
        self.login_needed = true;
        self.login_url = Some(url.to_owned());
        self.waiting = None;
    }
}

/// What a state other than running asks of people.
pub fn meaning(state: &str) -> &'static str {
    match state {
        "NeedsLogin" => {
            "the node's key has expired or was taken back; an admin can extend it, or someone logs \
             the node in"
        }
        NEEDS_APPROVAL => "an admin must approve this node",
        _ => "the node is connecting",
    }
}

/// What a service asks of people while it has no address here.
pub fn service_pending(service: &str) -> String {
    format!(
        "{service} has no address here: an admin must define it and approve this node as its host \
         (a control server that knows no services never gives one)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serving() -> NodeStatus {
        let mut status = NodeStatus {
            phase: Phase::Serving,
            ..NodeStatus::default()
        };
        status.enter(RUNNING);
        status
    }

    fn codes(status: &NodeStatus) -> Vec<String> {
        let reasons = status.reasons().into_iter();
        reasons.map(|reason| reason.code).collect()
    }

    #[test]
    fn ready_is_serving_with_a_running_node() {
        assert!(serving().ready());
        assert_eq!(codes(&NodeStatus::default()), ["starting"]);
    }

    #[test]
    fn every_reason_against_is_told() {
        let mut status = serving();
        status.enter("NeedsLogin");
        status.key_expired = true;
        assert_eq!(codes(&status), ["key_expired", "not_running"]);
        status.phase = Phase::Stopping;
        assert_eq!(codes(&status), ["stopping", "key_expired"]);
        let mut status = serving();
        let address = "100.127.0.1".parse().unwrap();
        status.services.insert("svc:a".to_owned(), vec![address]);
        assert!(status.ready());
        status.services.insert("svc:b".to_owned(), Vec::new());
        assert_eq!(codes(&status), ["service_pending"]);
        assert!(status.reasons()[0].text.contains("svc:b"));
        let mut status = NodeStatus::default();
        status.enter(NEEDS_APPROVAL);
        assert_eq!(codes(&status), ["starting", "not_running"]);
    }

    #[test]
    fn a_login_is_asked_for_until_the_node_runs() {
        let mut status = NodeStatus::default();
        status.ask_for_login("https://login.example/a");
        assert_eq!(codes(&status), ["starting", "login_needed"]);
        let told = serde_json::to_string(&status.public()).unwrap();
        assert!(!told.contains("login.example") && told.contains("\"login_needed\":true"));
        status.enter(RUNNING);
        assert_eq!((status.login_needed, status.login_url), (false, None));
    }
}
