//! Paths of key files and state directories, through a directory full of traps: no key but the one
//! good file's is ever read, nothing outside the directory is made, every descriptor comes back.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use rustix::process::{Resource, getrlimit, setrlimit};
use tailport::config::{self, Arguments};
use tailport::exit::Exit;
use tailport::state_dir::{self, StateDir, StateDirError};

use crate::environment::judge;
use crate::{Verdict, hold, input};

/// How far below the root of the test the traps are: further than any path climbs.
const DEEP: &str = "1/2/3/4/5/6/7/8";

const NAMES: &[&str] = &[
    "",
    ".",
    "..",
    "new",
    "key",
    "wide",
    "pipe",
    "socket",
    "loop",
    "link",
    "up",
    "open",
    "planted",
    "state",
    "big",
    "binary",
    "empty",
    "out",
    "a\0b",
    "\u{1b}[2J",
    "a:b",
    "~",
];

/// Files of the system that are none of ours; for reading only.
const FOREIGN: &[&str] = &[
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/stdin",
    "/dev/fd/0",
    "/proc/self/environ",
    "/proc/self/mem",
    "/proc/self/exe",
    "/proc/self/cwd/Cargo.toml",
    "/proc/kmsg",
    "/",
    "//",
    "-",
];

/// A directory of traps, eight levels below the root.
struct Traps {
    root: tempfile::TempDir,
    here: PathBuf,
    _socket: UnixListener,
}

impl Traps {
    fn new() -> Self {
        few_descriptors();
        let root = tempfile::tempdir().unwrap();
        let here = root.path().canonicalize().unwrap().join(DEEP);
        fs::create_dir_all(here.join("state")).unwrap();
        fs::create_dir(here.join("open")).unwrap();
        let file = |name: &str, content: &[u8], mode: u32| {
            fs::write(here.join(name), content).unwrap();
            fs::set_permissions(here.join(name), Permissions::from_mode(mode)).unwrap();
        };
        file("key", format!("{}\n", input::KEY).as_bytes(), 0o600);
        file("wide", input::KEY.as_bytes(), 0o644);
        file("open/key", input::KEY.as_bytes(), 0o666);
        file("big", &[b'a'; 5000], 0o600);
        file("binary", b"\xff\xfe\x00", 0o600);
        file("empty", b"", 0o600);
        let made = Command::new("mkfifo").arg(here.join("pipe")).status();
        assert!(made.unwrap().success());
        for (name, to) in [
            ("loop", "loop"),
            ("link", "state"),
            ("up", ".."),
            ("open/planted", "../key"),
            ("out", "/"),
        ] {
            symlink(to, here.join(name)).unwrap();
        }
        fs::set_permissions(here.join("state"), Permissions::from_mode(0o700)).unwrap();
        fs::set_permissions(here.join("open"), Permissions::from_mode(0o1777)).unwrap();
        let _socket = UnixListener::bind(here.join("socket")).unwrap();
        Self {
            root,
            here,
            _socket,
        }
    }

    fn join(&self, steps: &[OsString]) -> PathBuf {
        let steps = steps.join(OsStr::new("/"));
        // Relative, whatever it begins with: the root of the system is not ours.
        let skipped = steps
            .as_bytes()
            .iter()
            .take_while(|byte| **byte == b'/')
            .count();
        self.here
            .join(OsStr::from_bytes(&steps.as_bytes()[skipped..]))
    }
}

/// A leak of one descriptor a case must not stay unseen in the short form.
fn few_descriptors() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = Some(200);
        setrlimit(Resource::Nofile, limit).unwrap();
    });
}

/// Names on the way, mostly of traps. `out` leads to the system's root, so nothing may be made
/// below it.
fn steps(with_out: bool) -> impl Strategy<Value = Vec<OsString>> {
    let names: Vec<&str> = NAMES
        .iter()
        .copied()
        .filter(|name| with_out || *name != "out")
        .collect();
    let name = prop_oneof![
        12 => select(names).prop_map(OsString::from),
        1 => input::bytes(6),
        1 => (1..5000_usize).prop_map(|n| "n".repeat(n).into()),
    ];
    vec(name, 0..7)
}

#[test]
fn no_key_is_read_but_the_good_files() {
    let traps = Traps::new();
    let path = prop_oneof![
        8 => steps(true).prop_map(|steps| traps.join(&steps).into_os_string()),
        1 => select(FOREIGN).prop_map(OsString::from),
        1 => input::bytes(30),
    ];
    hold(
        "paths of key files",
        10,
        (path, any::<bool>()),
        |(path, credential)| {
            let (name, value) = match credential {
                true => ("CREDENTIALS_DIRECTORY", path.clone()),
                false => ("TS_AUTHKEY_FILE", path.clone()),
            };
            let environment = [
                (name, value),
                ("TS_EXPOSE", "22".into()),
                ("HOME", "/home/someone".into()),
            ];
            let result = config::parse(
                &Arguments::default(),
                environment.map(|(n, v)| (n.into(), v)),
            );
            judge(&result)?;
            if let Ok(parsed) = result
                && let Some(key) = parsed.config.node.auth_key
                && !credential
            {
                // The walk takes no notice of a slash at the end, the system does.
                let path: PathBuf = Path::new(&path).components().collect();
                let real = fs::canonicalize(path).unwrap();
                prop_assert_eq!(real, traps.here.join("key"));
                prop_assert_eq!(key.expose(), input::KEY);
            }
            Ok(())
        },
    );
}

#[test]
fn a_state_directory_is_private_and_where_it_was_asked_for() {
    let traps = Traps::new();
    hold("paths of state directories", 20, steps(false), |steps| {
        let path = traps.join(&steps);
        let examined = state_dir::examine(&path);
        match StateDir::open(&path) {
            Ok(state) => {
                prop_assert!(examined.is_ok());
                is_private(&traps, &state)?;
                prop_assert!(matches!(
                    StateDir::open(&path),
                    Err(StateDirError::InUse(_))
                ));
                drop(state);
                prop_assert!(StateDir::open(&path).is_ok(), "{:?}", path);
            }
            Err(error) => {
                let text = config::chain(&error);
                prop_assert!(!text.contains(char::is_control), "{:?}", text);
                prop_assert!(matches!(error.exit(), Exit::Usage | Exit::Other));
            }
        }
        Ok(())
    });
}

fn is_private(traps: &Traps, state: &StateDir) -> Verdict {
    let real = fs::canonicalize(state.path()).unwrap();
    prop_assert_eq!(&real, Path::new(state.path()));
    prop_assert!(
        real.starts_with(traps.root.path().canonicalize().unwrap()),
        "{:?}",
        real
    );
    let directory = fs::metadata(&real).unwrap();
    prop_assert_eq!(directory.mode() & 0o007, 0);
    let lock = fs::metadata(real.join("tailport.lock")).unwrap();
    prop_assert_eq!(lock.mode() & 0o7777, 0o600);
    Ok(())
}
