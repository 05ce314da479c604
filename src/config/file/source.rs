//! Reading the configuration file: it decides what is exposed, so nobody else may be able to write
//! it.

use std::path::Path;

use crate::config::guarded_file::{FileError, GuardedFile};

/// Far more than a thousand forwards need.
const LONGEST: u64 = 1 << 20;

/// Why a file gives no configuration.
#[derive(Debug, thiserror::Error)]
pub(in crate::config) enum SourceError {
    /// It cannot be had, or is too large.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its mode lets everyone write it.
    #[error("may be written by other users (mode {0:04o}): run chmod o-w on it")]
    OpenToOthers(u32),
    /// Its bytes are no text.
    #[error("is not valid UTF-8")]
    NotUtf8,
}

/// The text of the file.
///
/// # Errors
/// When the file is missing, not regular, open to others, too large, or no text.
pub(super) fn read(path: &Path) -> Result<String, SourceError> {
    let file = GuardedFile::open(path)?;
    let mode = file.mode();
    if mode & 0o002 != 0 {
        return Err(SourceError::OpenToOthers(mode));
    }
    String::from_utf8(file.read(LONGEST)?).map_err(|_| SourceError::NotUtf8)
}
