//! Where the auth key comes from: TS_AUTHKEY, a file, or a systemd credential. At most one of the
//! first two.

use std::path::{Path, PathBuf};

use super::key_file::{self, KeyFileError};
use super::problems::{Mistake, chain};
use super::secret::{REDACTED, Secret};
use super::settings::Settings;

/// The systemd credential that is found by itself.
const CREDENTIAL: &str = "ts-authkey";

/// The key, when one is configured. What is wrong is noted in the settings.
pub(super) fn choose(
    key: Option<Secret>,
    file: Option<PathBuf>,
    settings: &mut Settings,
) -> Option<Secret> {
    if settings.is_given("TS_AUTHKEY") && settings.is_given("TS_AUTHKEY_FILE") {
        let file = settings.label("TS_AUTHKEY_FILE");
        let mistake = Mistake::new(format!("TS_AUTHKEY and {file}"), "are both set")
            .allowed("at most one of the two");
        settings.mistakes.push(mistake);
        return None;
    }
    if key.is_some() {
        return key;
    }
    let credentials = credentials_directory(settings);
    let exempt: Vec<PathBuf> = credentials
        .iter()
        .cloned()
        .chain([PathBuf::from("/run/secrets")])
        .collect();
    if let Some(file) = file {
        match key_file::read(&file, &exempt) {
            Ok(key) => return Some(key),
            Err(_) if looks_like_a_key(&file) => settings.mistakes.push(
                Mistake::new(
                    settings.label("TS_AUTHKEY_FILE"),
                    format!("{REDACTED} is a key, not the path of a file"),
                )
                .allowed("the path of a file that holds the key"),
            ),
            Err(error) => settings.refuse("TS_AUTHKEY_FILE", chain(&error)),
        }
        return None;
    }
    if settings.is_given("TS_AUTHKEY") || settings.is_given("TS_AUTHKEY_FILE") {
        return None;
    }
    match key_file::read(&credentials?.join(CREDENTIAL), &exempt) {
        Ok(key) => Some(key),
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
