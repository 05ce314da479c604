//! Reading a secret from a file that only its owner, and perhaps a group, may read.

use std::path::{Path, PathBuf};

use super::guarded_file::{FileError, GuardedFile};
use super::secret::{Secret, SecretError};

/// Far more than any key has.
const LONGEST: u64 = 4096;

/// Why a key file gives no secret. Its content is in no variant.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyFileError {
    /// It cannot be had, or is too large for a key.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its mode lets everyone read or write it.
    #[error("is open to other users (mode {0:04o}): run chmod 600 on it")]
    OpenToOthers(u32),
    /// Its content is no key.
    #[error("holds no key")]
    Content(#[from] SecretError),
}

/// Reads the secret in `path`, without the line break at its end. The file's mode does not matter
/// below the `exempt` directories: there the system that put it in place guards it.
///
/// # Errors
/// When the file is missing, not regular, open to others, too large, or holds no key.
pub(super) fn read(path: &Path, exempt: &[PathBuf]) -> Result<Secret, KeyFileError> {
    let file = GuardedFile::open(path)?;
    let guarded = exempt
        .iter()
        .any(|directory| is_below(&file.path, directory));
    let mode = file.mode();
    if !guarded && mode & 0o006 != 0 {
        return Err(KeyFileError::OpenToOthers(mode));
    }
    let bytes = file.read(LONGEST)?;
    let text = String::from_utf8(bytes).map_err(|_| SecretError::BadCharacter)?;
    Ok(text.trim_end_matches(['\n', '\r']).parse()?)
}

/// Whether the real path lies in the directory, under its name or under the one that it really has.
fn is_below(path: &Path, directory: &Path) -> bool {
    let real = directory.canonicalize();
    path.starts_with(directory) || real.is_ok_and(|real| path.starts_with(real))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    struct Files(tempfile::TempDir);

    impl Files {
        fn new() -> Self {
            Files(tempfile::tempdir().unwrap())
        }
        fn with(&self, name: &str, content: &[u8], mode: u32) -> PathBuf {
            let path = self.0.path().join(name);
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path
        }
    }

    #[test]
    fn the_key_is_the_content_without_its_line_break() {
        let files = Files::new();
        for (content, mode) in [
            (&b"tskey-1"[..], 0o600),
            (b"tskey-1\n", 0o400),
            (b"tskey-1\r\n", 0o660),
        ] {
            assert_eq!(
                read(&files.with("key", content, mode), &[])
                    .unwrap()
                    .expose(),
                "tskey-1"
            );
            fs::remove_file(files.0.path().join("key")).unwrap();
        }
    }

    #[test]
    fn a_file_without_a_key_is_refused() {
        let files = Files::new();
        let error = |path: &Path| read(path, &[]).unwrap_err();
        assert!(matches!(
            error(&files.0.path().join("none")),
            KeyFileError::File(FileError::Missing)
        ));
        assert!(matches!(
            error(&files.0.path().join("none/none")),
            KeyFileError::File(FileError::Walk(_))
        ));
        assert!(matches!(
            error(files.0.path()),
            KeyFileError::File(FileError::NotAFile)
        ));
        let empty = files.with("empty", b"", 0o600);
        assert!(matches!(
            error(&empty),
            KeyFileError::Content(SecretError::Empty)
        ));
        let blank = files.with("blank", b"\n\n", 0o600);
        assert!(matches!(
            error(&blank),
            KeyFileError::Content(SecretError::Empty)
        ));
        let two = files.with("two", b"tskey-1\ntskey-2\n", 0o600);
        assert!(matches!(
            error(&two),
            KeyFileError::Content(SecretError::BadCharacter)
        ));
        let binary = files.with("binary", b"\xff\xfe", 0o600);
        assert!(matches!(
            error(&binary),
            KeyFileError::Content(SecretError::BadCharacter)
        ));
        let large = files.with("large", &[b'a'; 5000], 0o600);
        assert!(matches!(
            error(&large),
            KeyFileError::File(FileError::TooLarge(_))
        ));
    }

    #[test]
    fn a_file_open_to_others_is_refused_and_group_bits_are_not() {
        let files = Files::new();
        for (name, mode) in [("r", 0o604), ("w", 0o602), ("all", 0o666)] {
            let path = files.with(name, b"tskey-1", mode);
            assert!(
                matches!(read(&path, &[]), Err(KeyFileError::OpenToOthers(shown)) if shown == mode)
            );
            assert!(
                read(&path, &[files.0.path().to_owned()]).is_ok(),
                "exempt below a guarded directory"
            );
        }
        assert!(read(&files.with("group", b"tskey-1", 0o640), &[]).is_ok());
    }

    #[test]
    fn leaving_an_exempt_directory_leaves_its_exemption() {
        let files = Files::new();
        let guarded = files.0.path().join("guarded");
        fs::create_dir(&guarded).unwrap();
        files.with("key", b"tskey-1", 0o644);
        symlink("../key", guarded.join("link")).unwrap();
        let exempt = [guarded.clone()];
        for path in ["../key", "link"] {
            assert!(
                matches!(
                    read(&guarded.join(path), &exempt),
                    Err(KeyFileError::OpenToOthers(_))
                ),
                "{path}"
            );
        }
    }

    #[test]
    fn a_pipe_does_not_hold_the_program_up() {
        let files = Files::new();
        let path = files.0.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        assert!(matches!(
            read(&path, &[]),
            Err(KeyFileError::File(FileError::NotAFile))
        ));
    }

    #[test]
    fn no_error_holds_the_content() {
        let files = Files::new();
        let path = files.with("key", b"tskey-auth-x y", 0o600);
        let error = read(&path, &[]).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("tskey"));
    }
}
