//! The path of a Unix socket, as a forward names it.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use super::address::AddressError;

/// What stands in front of a path where an address could stand too.
pub(super) const PREFIX: &str = "unix:";

/// The longest path that fits into a socket's address, the zero byte at its end left out.
const LONGEST: usize = if cfg!(target_os = "macos") { 103 } else { 107 };

/// An absolute path that fits into a socket's address and into a list of forwards. Shown with
/// `unix:` in front.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SocketPath(PathBuf);

impl SocketPath {
    /// The path, without `unix:`.
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

/// Reads a path without `unix:`.
impl FromStr for SocketPath {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if !text.starts_with('/') {
            return Err(AddressError::PathNotAbsolute(text.to_owned()));
        }
        // What separates things in a list of forwards, and what would garble a log.
        let plain = |c: char| c.is_alphanumeric() || c.is_ascii_graphic();
        let strange = |c: char| !plain(c) || ",|=".contains(c);
        if text.contains(strange) {
            return Err(AddressError::PathCharacter(text.to_owned()));
        }
        if text.len() > LONGEST {
            return Err(AddressError::PathTooLong(LONGEST));
        }
        let path = Path::new(text);
        let climbs = path.components().any(|part| part == Component::ParentDir);
        if climbs || path.file_name().is_none() || text.ends_with('/') {
            return Err(AddressError::PathNotAFile(text.to_owned()));
        }
        // One text for one place, so that two forwards in it are noticed.
        Ok(SocketPath(path.components().collect()))
    }
}

impl fmt::Display for SocketPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.0.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absolute_path_of_a_file_that_fits() {
        let read = |text: &str| text.parse::<SocketPath>();
        let shown = |text: &str| read(text).unwrap().to_string();
        assert_eq!(shown("/run/app.sock"), "unix:/run/app.sock");
        assert_eq!(shown("/run//./a:b-é"), "unix:/run/a:b-é");
        let longest = format!("/{}", "x".repeat(LONGEST - 1));
        assert!(read(&longest).is_ok());
        assert_eq!(
            read(&(longest + "x")),
            Err(AddressError::PathTooLong(LONGEST))
        );
        for text in ["", "app.sock", "./app.sock", "@abstract"] {
            assert!(
                matches!(read(text), Err(AddressError::PathNotAbsolute(_))),
                "{text:?}"
            );
        }
        for text in ["/a b", "/a,b", "/a|b", "/a=b", "/a\0", "/a\n", "/a\u{202e}"] {
            assert!(
                matches!(read(text), Err(AddressError::PathCharacter(_))),
                "{text:?}"
            );
        }
        for text in ["/", "//", "/run/", "/run/..", "/run/../app.sock"] {
            assert!(
                matches!(read(text), Err(AddressError::PathNotAFile(_))),
                "{text:?}"
            );
        }
    }
}
