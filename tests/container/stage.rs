//! Settings of a node in a container, and where its key lies.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};

use crate::support::settings::Settings;
use crate::support::tailnet::Tailnet;

/// The image's user.
pub(crate) const USER: u32 = 65532;

/// Where engines put secrets.
const KEY: &str = "/run/secrets/ts-authkey";

/// A node that finds its key where an engine puts it.
pub(crate) fn settings(tailnet: &Tailnet) -> Settings {
    Settings::on(tailnet)
        .set("TS_AUTHKEY_FILE", KEY)
        // A loaded machine may take its time.
        .set("TS_TIMEOUT", "2m")
        .set("TS_DIAL_TIMEOUT", "20s")
        .set("TS_DRAIN_TIMEOUT", "1s")
        .set("TS_LOG_FORMAT", "json")
        // The limit of descriptors here allows no more.
        .set("TS_MAX_CONNECTIONS", "100")
}

/// The option that puts it there: a file of the image's user, as compose mounts it.
pub(crate) fn key(settings: &Settings, tailnet: &Tailnet) -> String {
    let file = settings
        .directory()
        .write_secret("ts-authkey", tailnet.key());
    fs::set_permissions(&file, Permissions::from_mode(0o400)).unwrap();
    chown(&file, Some(USER), Some(USER)).unwrap();
    format!("--volume={}:{KEY}:ro", file.display())
}
