//! Opening a file that decides what this program does, without being led astray by links, pipes or
//! a file that others may write.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::path_walk::{self, Missing, WalkError};

/// A regular file, open for reading.
#[derive(Debug)]
pub(super) struct GuardedFile {
    file: File,
    metadata: Metadata,
    /// Its path without links.
    pub(super) path: PathBuf,
}

/// Why a file gives no content. Its content is in no variant.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    /// The way to it.
    #[error("cannot be reached")]
    Walk(#[from] WalkError),
    /// There is no such file.
    #[error("does not exist")]
    Missing,
    /// The system refused.
    #[error("cannot be read")]
    Io(#[from] io::Error),
    /// A directory, a pipe or a device.
    #[error("is not a regular file")]
    NotAFile,
    /// Larger than what it is opened for can be.
    #[error("is larger than {0} bytes")]
    TooLarge(u64),
}

impl FileError {
    /// Whether there is no such file, or no directory on the way to it.
    pub(super) fn is_missing(&self) -> bool {
        match self {
            FileError::Missing => true,
            FileError::Walk(WalkError::Io(_, error)) => error.kind() == io::ErrorKind::NotFound,
            _ => false,
        }
    }
}

impl GuardedFile {
    /// Opens the file.
    ///
    /// # Errors
    /// When it is missing or not regular, or the way to it is not to be trusted.
    pub(super) fn open(path: &Path) -> Result<GuardedFile, FileError> {
        let place = path_walk::walk(path, Missing::Refuse)?;
        // Non-blocking, so that a pipe in the file's place cannot hold the program up.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&place.parent, &place.name, flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT) => return Err(FileError::Missing),
            Err(errno) => return Err(FileError::Io(errno.into())),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(FileError::NotAFile);
        }
        Ok(GuardedFile {
            file,
            metadata,
            path: place.path,
        })
    }

    /// Its permission bits.
    pub(super) fn mode(&self) -> u32 {
        self.metadata.mode() & 0o7777
    }

    /// All of it.
    ///
    /// # Errors
    /// When it is longer than `longest` bytes, or cannot be read.
    pub(super) fn read(self, longest: u64) -> Result<Vec<u8>, FileError> {
        let mut bytes = Vec::new();
        self.file.take(longest + 1).read_to_end(&mut bytes)?;
        match bytes.len() as u64 > longest {
            true => Err(FileError::TooLarge(longest)),
            false => Ok(bytes),
        }
    }
}
