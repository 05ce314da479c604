//! The control socket: a door in the state directory for the user whose node it is.
//!
//! Whoever holds the directory's lock may replace a socket that is there: nobody can be
//! listening on it. It gets its name only when its mode is set, and every client's user is
//! asked of the kernel as well.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::process::geteuid;
use tokio::net::{UnixListener, UnixStream};

use super::serve::Listen;

/// Its name in the state directory.
pub const NAME: &str = "control.sock";
/// Its name until its mode is set.
const NEW_NAME: &str = "control.sock.new";

/// The longest path that a socket's address holds everywhere.
const LONGEST: usize = 100;

/// The socket, listening.
#[derive(Debug)]
pub struct ControlListener(UnixListener);

/// The socket's file; dropping it removes it.
#[derive(Debug)]
pub struct ControlFile(PathBuf);

/// Opens the control socket in a state directory that is locked for this process. Needs a
/// tokio runtime.
///
/// # Errors
/// What the system refuses, for example a file system without sockets.
pub fn open(state_dir: &Path) -> io::Result<(ControlListener, ControlFile)> {
    let new = state_dir.join(NEW_NAME);
    remove(&new)?;
    let listener = {
        let place = Place::of(state_dir)?;
        UnixListener::bind(place.path(NEW_NAME))?
    };
    // Made before what can fail, so that nothing is left behind.
    let unnamed = ControlFile(new);
    fs::set_permissions(&unnamed.0, Permissions::from_mode(0o600))?;
    let path = state_dir.join(NAME);
    fs::rename(&unnamed.0, &path)?;
    Ok((ControlListener(listener), ControlFile(path)))
}

/// Connects to the control socket in a state directory.
///
/// # Errors
/// What the system answers; not found and refused say that nothing listens.
pub(super) async fn connect(state_dir: &Path) -> io::Result<UnixStream> {
    let place = Place::of(state_dir)?;
    UnixStream::connect(place.path(NAME)).await
}

impl Listen for ControlListener {
    type Io = UnixStream;

    async fn accept(&mut self) -> io::Result<UnixStream> {
        loop {
            let (stream, _) = self.0.accept().await?;
            let user = stream.peer_cred()?.uid();
            if user == 0 || user == geteuid().as_raw() {
                return Ok(stream);
            }
            tracing::warn!(user, "another user is refused at the control socket");
        }
    }
}

impl Drop for ControlFile {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.0) {
            tracing::debug!(%error, "removing the control socket");
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A directory by a path that is short enough for the address of a socket in it. On Linux
/// every directory has one; elsewhere a long path is what it is.
struct Place {
    directory: PathBuf,
    _open: Option<File>,
}

impl Place {
    fn of(directory: &Path) -> io::Result<Self> {
        let length = directory.join(NEW_NAME).as_os_str().len();
        if length <= LONGEST || !cfg!(target_os = "linux") {
            return Ok(Self {
                directory: directory.to_owned(),
                _open: None,
            });
        }
        let open = File::open(directory)?;
        let number = std::os::fd::AsRawFd::as_raw_fd(&open);
        Ok(Self {
            directory: format!("/proc/self/fd/{number}").into(),
            _open: Some(open),
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener as Other;

    use super::*;

    #[tokio::test]
    async fn it_is_the_owner_s_alone_and_goes_with_its_guard() {
        let home = tempfile::tempdir().unwrap();
        let (mut listener, file) = open(home.path()).unwrap();
        let mode = fs::metadata(home.path().join(NAME)).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        let (client, served) = tokio::join!(connect(home.path()), listener.accept());
        assert!(client.is_ok() && served.is_ok());
        drop(file);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn what_a_killed_instance_left_is_replaced() {
        let home = tempfile::tempdir().unwrap();
        for name in [NAME, NEW_NAME] {
            drop(Other::bind(home.path().join(name)).unwrap());
        }
        let refused = connect(home.path()).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let (mut listener, _file) = open(home.path()).unwrap();
        let (client, served) = tokio::join!(connect(home.path()), listener.accept());
        assert!(client.is_ok() && served.is_ok());
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_directory_with_a_long_path_has_one_too() {
        let home = tempfile::tempdir().unwrap();
        let deep = home.path().join("d".repeat(150));
        fs::create_dir(&deep).unwrap();
        let (mut listener, file) = open(&deep).unwrap();
        let (client, served) = tokio::join!(connect(&deep), listener.accept());
        assert!(client.is_ok() && served.is_ok());
        drop(file);
        assert_eq!(fs::read_dir(&deep).unwrap().count(), 0);
    }
}
