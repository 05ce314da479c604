//! Walking to a file or directory without being led astray by a symbolic link that another user
//! made.
//!
//! The walk goes one directory at a time on open directories, so that nothing is exchanged between
//! the check and the use. A link is followed only when nobody but root and the user of this process
//! could have made it: its owner is one of the two, and so is the directory's, where others may not
//! write. Nobody writes where the file system is mounted read-only, whatever the mode says: there a
//! container's secrets lie, behind links in a directory that is open to all.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, StatVfsMountFlags};
use rustix::io::Errno;

/// Where a walk ended: an open directory and a name in it that is no symbolic link, or does not
/// exist.
#[derive(Debug)]
pub(crate) struct Place {
    /// The directory.
    pub(crate) parent: OwnedFd,
    /// The name in it.
    pub(crate) name: OsString,
    /// Both as a path without links.
    pub(crate) path: PathBuf,
}

/// What to do about a directory on the way that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Report it.
    Refuse,
    /// Make it with mode 0700.
    Create,
}

/// Why the end was not reached.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// A symbolic link that another user could have made.
    #[error("{0:?} is a symbolic link that another user could have made: name the real path")]
    UntrustedLink(PathBuf),
    /// More links than a sane path has.
    #[error("{0:?} leads through too many symbolic links")]
    TooManyLinks(PathBuf),
    /// The system refused.
    #[error("reaching {0:?}")]
    Io(PathBuf, #[source] io::Error),
}

/// As many as Linux follows.
const MOST_LINKS: usize = 40;

/// Walks to `path`, which may be relative to the working directory.
///
/// # Errors
/// A link that is not trusted, a missing directory with [`Missing::Refuse`], or what the system
/// says.
pub(crate) fn walk(path: &Path, missing: Missing) -> Result<Place, WalkError> {
    let absolute =
        std::path::absolute(path).map_err(|error| WalkError::Io(path.to_owned(), error))?;
    let mut ahead = steps(&absolute);
    let mut here = PathBuf::from("/");
    let mut directory = open(CWD, OsStr::new("/"), &here)?;
    let mut links = 0;
    while let Some(name) = ahead.pop() {
        let io = |errno: Errno| WalkError::Io(here.join(&name), errno.into());
        if name == ".." {
            directory = open(&directory, &name, &here)?;
            here.pop();
            continue;
        }
        let found = match rustix::fs::statat(&directory, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => Some(found),
            Err(Errno::NOENT) => None,
            Err(errno) => return Err(io(errno)),
        };
        if found
            .as_ref()
            .is_some_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Symlink)
        {
            links += 1;
            if links > MOST_LINKS {
                return Err(WalkError::TooManyLinks(absolute));
            }
            let parent = Parent::of(&directory).map_err(io)?;
            if !found.is_some_and(|link| parent.only_we_could_make(&link)) {
                return Err(WalkError::UntrustedLink(here.join(&name)));
            }
            let target = rustix::fs::readlinkat(&directory, &name, Vec::new()).map_err(io)?;
            let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
            if target.is_absolute() {
                here = PathBuf::from("/");
                directory = open(CWD, OsStr::new("/"), &here)?;
            }
            ahead.extend(steps(&target));
            continue;
        }
        let last = ahead.is_empty();
        if last {
            return Ok(Place {
                parent: directory,
                path: here.join(&name),
                name,
            });
        }
        if found.is_none() {
            match missing {
                Missing::Refuse => return Err(io(Errno::NOENT)),
                Missing::Create => match rustix::fs::mkdirat(&directory, &name, Mode::RWXU) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(io(errno)),
                },
            }
        }
        directory = open(&directory, &name, &here)?;
        here.push(&name);
    }
    Ok(Place {
        parent: directory,
        name: ".".into(),
        path: here,
    })
}

/// The names of a path, the first one last.
fn steps(path: &Path) -> Vec<OsString> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    let mut names: Vec<_> = names.collect();
    names.reverse();
    names
}

/// Opens a directory to go on from; it need not be readable.
fn open(directory: impl AsFd, name: &OsStr, here: &Path) -> Result<OwnedFd, WalkError> {
    #[cfg(target_os = "linux")]
    let access = OFlags::PATH;
    #[cfg(not(target_os = "linux"))]
    let access = OFlags::RDONLY;
    let flags = access | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(directory, name, flags, Mode::empty())
        .map_err(|errno| WalkError::Io(here.join(name), errno.into()))
}

/// The directory that a link is in.
struct Parent {
    directory: Stat,
    is_read_only: bool,
}

impl Parent {
    fn of(directory: impl AsFd) -> Result<Parent, Errno> {
        let mount = rustix::fs::fstatvfs(&directory)?;
        Ok(Parent {
            directory: rustix::fs::fstat(&directory)?,
            is_read_only: mount.f_flag.contains(StatVfsMountFlags::RDONLY),
        })
    }

    fn only_we_could_make(&self, link: &Stat) -> bool {
        let others_may_write = self.directory.st_mode & 0o002 != 0 && !self.is_read_only;
        is_ours(link.st_uid) && is_ours(self.directory.st_uid) && !others_may_write
    }
}

/// Whether this user is root or the one that this process runs as.
pub(crate) fn is_ours(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn end(path: &Path) -> Result<PathBuf, WalkError> {
        walk(path, Missing::Refuse).map(|place| place.path)
    }

    #[test]
    fn own_links_are_followed_to_the_real_path() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/b/file"), "").unwrap();
        symlink("a/b", root.join("relative")).unwrap();
        symlink(root.join("relative"), root.join("absolute")).unwrap();
        assert_eq!(
            end(&root.join("absolute/file")).unwrap(),
            root.join("a/b/file")
        );
        assert_eq!(
            end(&root.join("relative/../b/./file")).unwrap(),
            root.join("a/b/file")
        );
        assert_eq!(end(&root.join("a/new")).unwrap(), root.join("a/new"));
        assert_eq!(end(Path::new("/")).unwrap(), Path::new("/"));
    }

    #[test]
    fn a_link_where_others_may_write_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let open = dir.path().join("open");
        fs::create_dir(&open).unwrap();
        symlink("/etc", open.join("link")).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o1777)).unwrap();
        for path in ["link", "link/passwd"] {
            assert!(
                matches!(end(&open.join(path)), Err(WalkError::UntrustedLink(_))),
                "{path}"
            );
        }
    }

    #[test]
    fn a_circle_of_links_ends() {
        let dir = tempfile::tempdir().unwrap();
        symlink("b", dir.path().join("a")).unwrap();
        symlink("a", dir.path().join("b")).unwrap();
        assert!(matches!(
            end(&dir.path().join("a")),
            Err(WalkError::TooManyLinks(_))
        ));
    }

    #[test]
    fn missing_directories_are_made_for_the_owner_alone_or_reported() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("x/y/z");
        assert!(matches!(end(&deep), Err(WalkError::Io(..))));
        walk(&deep, Missing::Create).unwrap();
        let mode = fs::metadata(dir.path().join("x/y"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
        assert!(!deep.exists());
    }

    #[test]
    fn a_file_on_the_way_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        assert!(matches!(
            end(&dir.path().join("file/x")),
            Err(WalkError::Io(..))
        ));
    }
}
