//! How a node is started, and as what the Go half reads it.

use std::ffi::CString;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::error::{Error, ErrorKind};

/// How a node is started.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// Where the node keeps its state; its path must be UTF-8.
    pub dir: PathBuf,
    /// The node's name on the tailnet.
    pub hostname: String,
    /// The control server; `None` for the vendor's.
    pub control_url: Option<String>,
    /// Logs the node in when it has no state yet.
    pub auth_key: Option<SecretString>,
    /// The secret of an OAuth client, which stands for an auth key with `tags`
    /// when there is neither an auth key nor state.
    pub client_secret: Option<SecretString>,
    /// What the control server is asked to tag the node with, such as
    /// `tag:server`; needed with a client secret.
    pub tags: Vec<String>,
    /// Whether the node is logged out, and so removed, when it closes.
    pub ephemeral: bool,
    /// Idle time before probes on every connection; zero for none.
    pub keepalive: Duration,
}

impl NodeOptions {
    /// The argument of the call that starts it.
    pub(super) fn to_json(&self) -> Result<CString, Error> {
        let Some(dir) = self.dir.to_str() else {
            return Err(Error::Answer {
                kind: ErrorKind::StateUnusable,
                detail: format!("the state directory {:?} is not UTF-8", self.dir),
            });
        };
        let clear = |secret: &Option<SecretString>| {
            secret
                .as_ref()
                .map_or_else(String::new, |secret| secret.expose_secret().to_owned())
        };
        let json = json!({
            "dir": dir,
            "hostname": self.hostname,
            "control_url": self.control_url.as_deref().unwrap_or_default(),
            "auth_key": clear(&self.auth_key),
            "client_secret": clear(&self.client_secret),
            "tags": self.tags,
            "ephemeral": self.ephemeral,
            "keepalive_ms": milliseconds(self.keepalive),
        });
        CString::new(json.to_string())
            .map_err(|error| Error::call("starting the node")(error.into()))
    }
}

/// Whole milliseconds, rounded up and kept within what a call can carry.
pub(super) fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX)
}
