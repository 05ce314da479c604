//! A certificate authority for a tailnet's names, as a child process. It ends with
//! the value, or with the test process.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::child::Child;
use super::go_program;
use super::home::Home;
use super::patience::PATIENCE;
use super::tailnet::Tailnet;

/// A certificate authority on loopback.
pub(crate) struct Authority {
    directory_url: String,
    trust: PathBuf,
    _child: Child,
    _home: Home,
}

impl Authority {
    /// Starts one that believes what the nodes of this tailnet say of their names.
    pub(crate) fn start(tailnet: &Tailnet) -> Self {
        let mut command = Command::new(go_program::built("acme"));
        command
            .env_clear()
            .args(["--tailnet", &format!("http://{}", tailnet.admin())]);
        let mut child = Child::start("the certificate authority", &mut command);
        let ready = child.ready(PATIENCE);
        let text = |key: &str| ready[key].as_str().expect("a text").to_owned();
        let home = Home::new();
        Self {
            directory_url: text("directory_url"),
            trust: home.write_secret("trust.pem", &text("trust")),
            _child: child,
            _home: home,
        }
    }

    /// What a node's TS_DEBUG_ACME_DIRECTORY_URL is to be.
    pub(crate) fn directory_url(&self) -> &str {
        &self.directory_url
    }

    /// A file with the certificates that a node has to trust: what its
    /// SSL_CERT_FILE is to be.
    pub(crate) fn trust(&self) -> &Path {
        &self.trust
    }
}
