//! The state directory: the node's identity, for one user and one instance at a time.
//!
//! Whoever can read it can be this node on the tailnet. It is made with mode 0700, refused when
//! other users may enter it, and locked for as long as the process lives. Group bits are allowed,
//! because volumes need them. All checks are made on the opened directory, so that what was checked
//! is what is used.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::config::path_walk::{self, Missing, WalkError};
use crate::exit::Exit;

/// The file in it that the running instance holds a lock on.
const LOCK_FILE: &str = "tailport.lock";

/// A state directory that this process alone uses, until this is dropped.
#[derive(Debug)]
pub struct StateDir {
    path: String,
    _lock: File,
}

/// Why a state directory is not used.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// The way to it.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// Something else has its name.
    #[error(
        "state directory {0:?} is not a directory: remove it or name another with TS_STATE_DIR"
    )]
    NotADirectory(PathBuf),
    /// The Go half gets it as text.
    #[error("state directory {0:?} is not valid UTF-8: name another with TS_STATE_DIR")]
    NotUtf8(PathBuf),
    /// Its mode lets others in.
    #[error(
        "state directory {0:?} is open to other users (mode {1:04o}), and it holds the node's private key: \
         run chmod o-rwx on it (in a systemd unit StateDirectoryMode=0700), \
         or name another with TS_STATE_DIR"
    )]
    OpenToOthers(PathBuf, u32),
    /// Another user owns it, and so can read it.
    #[error(
        "state directory {0:?} belongs to another user (uid {1}), who can read the node's private key: \
         run chown on it, or name another with TS_STATE_DIR"
    )]
    OfAnotherUser(PathBuf, u32),
    /// Another instance holds the lock.
    #[error(
        "state directory {0:?} is in use by another instance: stop that one, or name another with TS_STATE_DIR"
    )]
    InUse(PathBuf),
    /// The system refused.
    #[error(
        "{0} state directory {1:?}, which this user must be able to write (TS_STATE_DIR names another)"
    )]
    Io(&'static str, PathBuf, #[source] io::Error),
}

impl StateDirError {
    /// The exit code of a process that ends with it: 64 for what only a change of configuration or
    /// permissions cures, 1 for what may pass (a full disk, another instance).
    pub fn exit(&self) -> Exit {
        let io = match self {
            StateDirError::InUse(_) => return Exit::Other,
            StateDirError::Io(_, _, error) | StateDirError::Walk(WalkError::Io(_, error)) => error,
            _ => return Exit::Usage,
        };
        match io.kind() {
            io::ErrorKind::PermissionDenied
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::InvalidInput => Exit::Usage,
            io::ErrorKind::InvalidFilename => Exit::Usage,
            _ => Exit::Other,
        }
    }
}

impl StateDir {
    /// Opens the directory, makes it and those above it when they are missing, checks who may enter
    /// it and locks it.
    ///
    /// # Errors
    /// When it is open to others, of another user, behind a link that another user could have made,
    /// in use, or not writable. Each text says what to do.
    pub fn open(path: &Path) -> Result<StateDir, StateDirError> {
        let place = path_walk::walk(path, Missing::Create)?;
        match rustix::fs::mkdirat(&place.parent, &place.name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(StateDirError::Io("making", place.path, errno.into())),
        }
        let directory = check(&place)?;
        let Some(path) = place.path.to_str().map(str::to_owned) else {
            return Err(StateDirError::NotUtf8(place.path));
        };
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let lock = rustix::fs::openat(&directory, LOCK_FILE, flags, Mode::RUSR | Mode::WUSR);
        let lock = match lock {
            Ok(fd) => File::from(fd),
            Err(errno) => return Err(StateDirError::Io("writing to", place.path, errno.into())),
        };
        match lock.try_lock() {
            Ok(()) => Ok(StateDir { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StateDirError::InUse(place.path)),
            Err(TryLockError::Error(error)) => Err(StateDirError::Io("locking", place.path, error)),
        }
    }

    /// Its absolute path without symbolic links.
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// Checks a directory without making, changing or locking anything. One that does not exist is
/// good. For `check`, which another user than the one of the service may run.
///
/// # Errors
/// As [`StateDir::open`], except for what shows only when it is made or locked.
pub fn examine(path: &Path) -> Result<(), StateDirError> {
    let missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let place = match path_walk::walk(path, Missing::Refuse) {
        Ok(place) => place,
        Err(WalkError::Io(_, error)) if missing(&error) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    match check(&place) {
        Err(StateDirError::Io(_, _, error)) if missing(&error) => Ok(()),
        result => result.map(drop),
    }
}

fn check(place: &path_walk::Place) -> Result<File, StateDirError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = match rustix::fs::openat(&place.parent, &place.name, flags, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(Errno::NOTDIR | Errno::LOOP) => {
            return Err(StateDirError::NotADirectory(place.path.clone()));
        }
        Err(errno) => {
            return Err(StateDirError::Io(
                "opening",
                place.path.clone(),
                errno.into(),
            ));
        }
    };
    let metadata = directory
        .metadata()
        .map_err(|error| StateDirError::Io("examining", place.path.clone(), error))?;
    if !path_walk::is_ours(metadata.uid()) {
        return Err(StateDirError::OfAnotherUser(
            place.path.clone(),
            metadata.uid(),
        ));
    }
    if metadata.mode() & 0o007 != 0 {
        return Err(StateDirError::OpenToOthers(
            place.path.clone(),
            metadata.mode() & 0o7777,
        ));
    }
    Ok(directory)
}

#[cfg(test)]
mod tests;
