//! Which state directory: TS_STATE_DIR, else systemd's, else the user's.

use std::path::{Path, PathBuf};

use super::secret::has_key;
use super::settings::{KEY_HERE, Settings};

/// The state directory as an absolute UTF-8 path, because the Go half gets it as text. What is
/// wrong is noted in the settings.
pub(super) fn choose(configured: Option<PathBuf>, settings: &mut Settings) -> Option<PathBuf> {
    let path = match configured {
        Some(path) => Ok(path),
        None if settings.is_given("TS_STATE_DIR") => return None,
        None => default_path(settings)
            .ok_or("is not set, and neither $STATE_DIRECTORY, $XDG_STATE_HOME nor $HOME is"),
    };
    let absolute = path.and_then(|path| fit_to_be_shown(&path).map(|()| path));
    let absolute =
        absolute.and_then(|path| std::path::absolute(path).map_err(|_| "has no absolute path"));
    match absolute {
        Ok(path) if path.to_str().is_some_and(|text| !text.contains('\0')) => Some(path),
        Ok(_) => refuse("is not a valid UTF-8 path", settings),
        Err(why) => refuse(why, settings),
    }
}

/// The path comes up in logs and errors, and it is made: nothing secret may be in it, whichever
/// variable it came from.
fn fit_to_be_shown(path: &Path) -> Result<(), &'static str> {
    let text = path.to_string_lossy();
    if text.contains("://") {
        return Err("is a URL, not a path");
    }
    if has_key(&text) {
        return Err(KEY_HERE);
    }
    Ok(())
}

fn refuse(why: &str, settings: &mut Settings) -> Option<PathBuf> {
    settings.refuse("TS_STATE_DIR", why);
    None
}

fn default_path(settings: &Settings) -> Option<PathBuf> {
    // A relative directory in one of these is ignored, as the XDG base directory specification
    // asks.
    let surrounding = |name| settings.surrounding(name).map(PathBuf::from);
    let absolute = |name| surrounding(name).filter(|path| path.is_absolute());
    let first_of_systemd = || {
        let all = settings.surrounding("STATE_DIRECTORY")?;
        std::env::split_paths(all).find(|path| path.is_absolute())
    };
    first_of_systemd()
        .or_else(|| absolute("XDG_STATE_HOME").map(|path| path.join("tailport")))
        .or_else(|| absolute("HOME").map(|path| path.join(".local/state/tailport")))
}
