//! Links, files and directories that another user has put in the way of the built program.
//!
//! Another user's things can only be made by root: run by somebody else, these tests leave out the
//! cases that need it, and say so.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use crate::search::{KEY, files_below, is_clean};
use crate::support::child::Child;
use crate::support::home::Home;
use crate::support::patience::PATIENCE;
use crate::support::settings::Settings;

/// Users that are neither root nor who runs the tests.
const NOBODY: u32 = 65534;
const SOMEBODY: u32 = 65533;

fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("cases with things of another user need root and are left out");
    }
    root
}

fn settings(state: &Path) -> Settings {
    Settings::bare()
        .set("TS_STATE_DIR", state)
        .set("TS_CONTROL_URL", "http://127.0.0.1:9")
        .set("TS_TIMEOUT", "1s")
        .set("TS_EXPOSE", "22")
}

/// The program refuses these settings with this word in its reason.
#[track_caller]
fn is_refused(settings: &Settings, code: i32, why: &str) {
    let mut node = settings.spawn();
    assert_eq!(node.wait_code(PATIENCE), code, "{}", node.log());
    assert!(node.log().contains(why), "{}", node.log());
    is_clean(&node, KEY);
}

fn directory(path: PathBuf, mode: u32, owner: u32) -> PathBuf {
    fs::create_dir_all(&path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    if owner != 0 {
        chown(&path, Some(owner), Some(owner)).unwrap();
    }
    path
}

#[test]
fn a_state_directory_behind_a_link_where_others_may_write() {
    let home = Home::new();
    let open = directory(home.path().join("open"), 0o1777, 0);
    let real = directory(home.path().join("real"), 0o700, 0);
    symlink(&real, open.join("link")).unwrap();
    is_refused(
        &settings(&open.join("link")),
        64,
        "symbolic link that another user could have made",
    );
    is_refused(&settings(&open.join("link/below")), 64, "symbolic link");
    assert!(files_below(&real).is_empty() && !real.join("below").exists());
}

#[test]
fn a_state_directory_or_a_link_to_one_of_another_user() {
    if !is_root() {
        return;
    }
    let home = Home::new();
    let theirs = directory(home.path().join("theirs"), 0o700, NOBODY);
    is_refused(&settings(&theirs), 64, "belongs to another user");
    let ours = directory(home.path().join("ours"), 0o700, 0);
    let link = home.path().join("link");
    symlink(&ours, &link).unwrap();
    lchown(&link, Some(NOBODY), Some(NOBODY)).unwrap();
    is_refused(&settings(&link), 64, "symbolic link");
    symlink(&ours, theirs.join("link")).unwrap();
    is_refused(&settings(&theirs.join("link")), 64, "symbolic link");
    assert!(files_below(&ours).is_empty());
    assert!(files_below(&theirs).is_empty());
}

#[test]
fn a_lock_or_state_that_is_a_link() {
    let home = Home::new();
    let victim = home.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    let state = directory(home.path().join("state"), 0o700, 0);
    symlink(&victim, state.join("tailport.lock")).unwrap();
    is_refused(&settings(&state), 1, "writing to");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
}

#[test]
fn a_key_file_behind_a_link_where_others_may_write() {
    let home = Home::new();
    let key = home.write_secret("key", KEY);
    let open = directory(home.path().join("open"), 0o1777, 0);
    symlink(&key, open.join("link")).unwrap();
    let settings = settings(&home.state()).set("TS_AUTHKEY_FILE", open.join("link"));
    // The home holds the key's own file: look at the output alone.
    let mut node = settings.spawn();
    assert_eq!(node.wait_code(PATIENCE), 64, "{}", node.log());
    assert!(node.log().contains("symbolic link"), "{}", node.log());
    assert!(!node.log().contains(KEY));
}

#[test]
fn a_link_to_a_key_of_another_user() {
    if !is_root() {
        return;
    }
    let home = Home::new();
    let key = home.write_secret("key", KEY);
    let link = home.path().join("link");
    symlink(&key, &link).unwrap();
    lchown(&link, Some(NOBODY), Some(NOBODY)).unwrap();
    let settings = settings(&home.state()).set("TS_AUTHKEY_FILE", &link);
    let mut node = settings.spawn();
    assert_eq!(node.wait_code(PATIENCE), 64, "{}", node.log());
    assert!(node.log().contains("symbolic link"), "{}", node.log());
}

/// The same for a service with a user of its own: neither root's nor another user's things fool it.
#[test]
fn a_service_user_among_other_users() {
    if !is_root() {
        return;
    }
    let home = Home::new();
    fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
    let own = directory(home.path().join("own"), 0o700, NOBODY);
    let theirs = directory(home.path().join("theirs"), 0o770, SOMEBODY);
    let open = directory(home.path().join("open"), 0o1777, 0);
    symlink(&own, open.join("link")).unwrap();
    lchown(open.join("link"), Some(SOMEBODY), Some(SOMEBODY)).unwrap();

    // Where nobody else's processes may look, the program itself would not be found.
    let program = home.path().join("tailport");
    fs::copy(env!("CARGO_BIN_EXE_tailport"), &program).unwrap();
    let run = |state: &Path| {
        let given = settings(state).command();
        let mut command = std::process::Command::new(&program);
        command.env_clear().uid(NOBODY).gid(NOBODY).current_dir("/");
        command.envs(
            given
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        let mut node = Child::start("tailport", &mut command);
        let code = node.wait_exit(PATIENCE).code();
        (code, node.stderr.lines().join("\n"))
    };
    let (code, log) = run(&theirs);
    assert_eq!(code, Some(64), "{log}");
    let (code, log) = run(&open.join("link"));
    assert_eq!(code, Some(64), "{log}");
    assert!(log.contains("symbolic link"), "{log}");
    assert!(files_below(&own).is_empty() && files_below(&theirs).is_empty());
    // And its own one is good: only the control server is missing.
    let (code, log) = run(&own.join("new/state"));
    assert_eq!(code, Some(69), "{log}");
    assert_eq!(fs::metadata(own.join("new/state")).unwrap().uid(), NOBODY);
}
