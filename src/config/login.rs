//! How the node logs in by itself: an auth key or the client secret of an OAuth client, each from a
//! variable or a file, or the key from a systemd credential. At most one of them.

use std::path::{Path, PathBuf};

use super::key_file::{self, KeyFileError};
use super::origin::Origin;
use super::problems::{Mistake, chain};
use super::secret::{REDACTED, Secret};
use super::settings::{LOGINS, Settings};
use super::tags;

/// The systemd credential that is found by itself.
const CREDENTIAL: &str = "ts-authkey";

/// What was read of the variables of a login; `None` is absent or wrong.
pub(super) struct Sources {
    /// TS_AUTHKEY.
    pub(super) auth_key: Option<Secret>,
    /// TS_AUTHKEY_FILE.
    pub(super) auth_key_file: Option<PathBuf>,
    /// TS_CLIENT_SECRET.
    pub(super) client_secret: Option<Secret>,
    /// TS_CLIENT_SECRET_FILE.
    pub(super) client_secret_file: Option<PathBuf>,
}

/// How the node logs in: with at most one of the two, or with neither.
#[derive(Default)]
pub(super) struct Login {
    /// An auth key.
    pub(super) auth_key: Option<Secret>,
    /// A client secret, which makes keys.
    pub(super) client_secret: Option<Secret>,
}

/// The login that is configured. What is wrong is noted in the settings.
pub(super) fn choose(sources: Sources, settings: &mut Settings) -> Login {
    let given: Vec<&'static str> = LOGINS
        .into_iter()
        .filter(|name| settings.is_given(name))
        .collect();
    let mut login = Login::default();
    match given.as_slice() {
        [] => login.auth_key = credential(settings),
        ["TS_AUTHKEY"] => login.auth_key = sources.auth_key,
        ["TS_AUTHKEY_FILE"] => {
            login.auth_key = file("TS_AUTHKEY_FILE", sources.auth_key_file, settings);
        }
        ["TS_CLIENT_SECRET"] => login.client_secret = sources.client_secret,
        ["TS_CLIENT_SECRET_FILE"] => {
            let path = sources.client_secret_file;
            login.client_secret = file("TS_CLIENT_SECRET_FILE", path, settings);
        }
        several => too_many(several, settings),
    }
    let has_client = given.iter().any(|name| name.starts_with("TS_CLIENT"));
    if has_client && !settings.is_given("TS_TAGS") {
        let why = "is not set, and with a client secret only tagged nodes can be made";
        let mistake = Mistake::new("TS_TAGS", why).allowed(tags::RULE);
        settings.mistakes.push(mistake);
    }
    login
}

fn too_many(given: &[&str], settings: &mut Settings) {
    let labels: Vec<String> = given.iter().map(|name| settings.label(name)).collect();
    let (why, allowed) = match labels.len() {
        2 => ("are both set", "at most one of the two"),
        _ => ("are all set", "at most one of them"),
    };
    let mistake = Mistake::new(labels.join(" and "), why).allowed(allowed);
    settings.mistakes.push(mistake);
}

/// The secret in the file that this variable names.
fn file(name: &'static str, path: Option<PathBuf>, settings: &mut Settings) -> Option<Secret> {
    let path = path?;
    match key_file::read(&path, &exempt(settings)) {
        Ok(secret) => return Some(secret),
        Err(_) if looks_like_a_key(&path) => settings.mistakes.push(
            Mistake::new(
                settings.label(name),
                format!("{REDACTED} is a key, not the path of a file"),
            )
            .allowed("the path of a file that holds the key"),
        ),
        Err(error) => settings.refuse(name, chain(&error)),
    }
    None
}

/// The key that systemd has put in place, if it has.
fn credential(settings: &mut Settings) -> Option<Secret> {
    let path = credentials_directory(settings)?.join(CREDENTIAL);
    match key_file::read(&path, &exempt(settings)) {
        Ok(key) => {
            settings.found("TS_AUTHKEY", Origin::Credential);
            Some(key)
        }
        Err(error) if is_missing(&error) => None,
        Err(error) => {
            settings.mistakes.push(Mistake::new(
                format!("credential {CREDENTIAL}"),
                chain(&error),
            ));
            None
        }
    }
}

/// Where a file's mode does not matter.
pub(super) fn exempt(settings: &Settings) -> Vec<PathBuf> {
    let credentials = credentials_directory(settings).into_iter();
    credentials.chain([PathBuf::from("/run/secrets")]).collect()
}

fn credentials_directory(settings: &Settings) -> Option<PathBuf> {
    let directory = PathBuf::from(settings.surrounding("CREDENTIALS_DIRECTORY")?);
    (directory.is_absolute() && directory.parent().is_some()).then_some(directory)
}

fn is_missing(error: &KeyFileError) -> bool {
    matches!(error, KeyFileError::File(error) if error.is_missing())
}

/// Keys are often put where their file's path belongs; such a text is not shown.
fn looks_like_a_key(path: &Path) -> bool {
    let Some(text) = path.to_str() else {
        return false;
    };
    !text.contains('/') && (text.len() >= 32 || super::secret::redact(text) != text)
}
