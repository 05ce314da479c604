//! Tests of the state directory.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

fn private_directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    set_mode(directory.path(), 0o700);
    directory
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_new_directory_is_for_its_owner_alone() {
    let root = private_directory();
    let path = root.path().join("a/b/state");
    examine(&path).unwrap();
    assert!(!path.exists(), "examining makes nothing");
    let state = StateDir::open(&path).unwrap();
    assert_eq!(Path::new(state.path()), path.canonicalize().unwrap());
    for made in [root.path().join("a"), root.path().join("a/b"), path.clone()] {
        assert_eq!(mode(&made), 0o700, "{made:?}");
    }
    assert_eq!(mode(&path.join(LOCK_FILE)), 0o600);
}

#[test]
fn a_directory_open_to_others_is_refused_and_left_as_it_is() {
    let root = private_directory();
    for bits in [0o755, 0o701, 0o702, 0o704, 0o777] {
        set_mode(root.path(), bits);
        for error in [
            StateDir::open(root.path()).unwrap_err(),
            examine(root.path()).unwrap_err(),
        ] {
            assert!(
                matches!(error, StateDirError::OpenToOthers(_, shown) if shown == bits),
                "{error}"
            );
            assert_eq!(error.exit(), Exit::Usage);
            assert!(error.to_string().contains("chmod"), "{error}");
        }
        assert_eq!(mode(root.path()), bits);
    }
}

#[test]
fn group_bits_are_allowed() {
    let root = private_directory();
    for bits in [0o700, 0o750, 0o770] {
        set_mode(root.path(), bits);
        StateDir::open(root.path()).unwrap();
    }
}

#[test]
fn a_second_instance_is_refused_until_the_first_is_gone() {
    let root = private_directory();
    let first = StateDir::open(root.path()).unwrap();
    let error = StateDir::open(root.path()).unwrap_err();
    assert!(matches!(error, StateDirError::InUse(_)), "{error}");
    assert_eq!(error.exit(), Exit::Other);
    examine(root.path()).unwrap();
    drop(first);
    StateDir::open(root.path()).unwrap();
}

#[test]
fn an_own_link_is_followed_and_one_where_others_may_write_is_not() {
    let root = private_directory();
    let link = root.path().join("link");
    symlink("real", &link).unwrap();
    let state = StateDir::open(&link).unwrap();
    assert_eq!(
        Path::new(state.path()),
        root.path().canonicalize().unwrap().join("real")
    );
    drop(state);
    set_mode(root.path(), 0o1777);
    let error = StateDir::open(&link).unwrap_err();
    assert!(
        matches!(error, StateDirError::Walk(WalkError::UntrustedLink(_))),
        "{error}"
    );
    assert_eq!(error.exit(), Exit::Usage);
}

#[test]
fn a_file_or_a_planted_lock_link_is_refused() {
    let root = private_directory();
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(
        StateDir::open(&file),
        Err(StateDirError::NotADirectory(_))
    ));
    assert_eq!(
        StateDir::open(&file.join("below")).unwrap_err().exit(),
        Exit::Usage
    );
    symlink(&file, root.path().join(LOCK_FILE)).unwrap();
    assert!(matches!(
        StateDir::open(root.path()),
        Err(StateDirError::Io("writing to", ..))
    ));
}
