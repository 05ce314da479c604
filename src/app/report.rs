//! What the program says to programs and to the person at the terminal: the READY
//! line on stdout, the ERROR line and the login URL on stderr.
//!
//! A reader that has gone away is no reason to stop, so nothing here fails.

use std::fmt;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::json;

use super::login_code;
use crate::tailnet::NodeInfo;

/// One forward as the READY line tells it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Description {
    /// What the configuration calls it, for the log and metrics alone.
    #[serde(skip)]
    pub(super) called: Option<String>,
    pub(super) kind: &'static str,
    pub(super) listen: String,
    pub(super) target: String,
}

impl Description {
    /// The forward's name in the log and in metrics.
    pub(super) fn name(&self) -> String {
        let place = || format!("{} {}", self.kind, self.listen);
        self.called.clone().unwrap_or_else(place)
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} to {}", self.kind, self.listen, self.target)
    }
}

/// Says that everything is up.
pub(super) fn ready(info: &NodeInfo, forwards: impl Iterator<Item = Description>) {
    let line = json!({
        "hostname": info.hostname,
        "dns_name": info.dns_name,
        "addresses": info.addresses,
        "forwards": forwards.collect::<Vec<_>>(),
    });
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "READY {line}").and_then(|()| out.flush());
}

/// The ERROR line of a start that failed.
pub fn error_line(kind: &str, detail: &str) {
    let line = json!({ "kind": kind, "detail": detail });
    let _ = writeln!(io::stderr(), "ERROR {line}");
}

/// Tells a person where to log the node in; on a terminal with a code for a phone.
pub(super) fn login(url: &str) {
    let code = login_code::for_stderr(url).unwrap_or_default();
    let _ = write!(io::stderr(), "To log this node in, visit: {url}\n{code}");
    tracing::info!(url, "a person must log this node in");
}
