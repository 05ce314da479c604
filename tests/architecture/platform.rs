//! House rules about systems: which files know that there is more than one, and that what only
//! one of them has stands behind a condition.

use crate::assert_none;
use crate::source::{has_word, sources};

/// Files that may differ between systems, each with what differs.
pub(crate) const PLATFORM: &[(&str, &str)] = &[
    (
        "admin/control.rs",
        "a socket's path that is too long, by /proc",
    ),
    ("app/memory.rs", "control groups"),
    (
        "config/path_walk.rs",
        "opening a directory that is not readable",
    ),
    ("config/socket_path.rs", "the longest path of a socket"),
    ("proxy/pipe.rs", "moving bytes inside the kernel"),
    (
        "proxy/resolve.rs",
        "where the system keeps its name servers",
    ),
    ("tailnet/sys.rs", "whether timers can be less exact"),
    ("tailnet/sys/kernel.rs", "how many bytes are unacknowledged"),
    ("telemetry/process.rs", "what /proc tells of the process"),
];

/// Files, or folders, that may name the C library. The others have safe types for it.
pub(crate) const LIBC: &[&str] = &["tailnet"];

/// What a file says that knows of systems.
const KNOWS: &[&str] = &[
    "target_os",
    "target_vendor",
    "target_family",
    "os::linux",
    "os::macos",
    "\"/proc",
    "\"proc/",
    "\"/sys/",
    "\"sys/",
];

/// Names that some system lacks. The compiler would say so there, and there alone.
const NOT_EVERYWHERE: &[&str] = &[
    "OFlags::PATH",
    "SIOCOUTQ",
    "SO_NWRITE",
    "SO_PEERCRED",
    "TIOCOUTQ",
    "accept4",
    "bind_device",
    "epoll",
    "eventfd",
    "from_abstract_name",
    "inotify",
    "memfd_create",
    "mkfifoat",
    "mknodat",
    "pidfd_open",
    "pipe2",
    "prctl",
    "set_tcp_user_timeout",
    "signalfd",
    "splice",
    "timerfd",
];

/// How many lines behind its condition such a name may stand.
const NEAR: usize = 12;

fn may_differ(name: &str) -> bool {
    PLATFORM.iter().any(|(file, _)| *file == name)
}

#[test]
fn only_some_files_know_on_which_system_they_run() {
    let mut knowing = 0;
    let mut breaches = Vec::new();
    for source in sources() {
        for (line, code) in source.product_code() {
            if KNOWS.iter().any(|mark| code.contains(mark)) {
                knowing += 1;
                if !may_differ(&source.name) {
                    breaches.push(format!("{}:{line} knows its system", source.name));
                }
            }
            let libc = has_word(code, "libc") && !LIBC.iter().any(|entry| source.is_in(entry));
            breaches.extend(libc.then(|| format!("{}:{line} names libc", source.name)));
        }
    }
    assert!(knowing > 0, "nothing knows its system");
    assert_none(&breaches);
}

#[test]
fn what_not_every_system_has_stands_behind_a_condition() {
    let mut found = 0;
    let mut breaches = Vec::new();
    for source in sources() {
        let mut condition = None;
        for (line, code) in source.product_code() {
            if code.contains("cfg(target_os") || code.contains("cfg!(target_os") {
                condition = Some(line);
            }
            let said = |name: &&&str| match name.contains("::") {
                true => code.contains(**name),
                false => has_word(code, name),
            };
            let Some(name) = NOT_EVERYWHERE.iter().find(said) else {
                continue;
            };
            found += 1;
            let near = condition.is_some_and(|condition| line - condition <= NEAR);
            if !near || !may_differ(&source.name) {
                breaches.push(format!("{}:{line}: {name} is not everywhere", source.name));
            }
        }
    }
    assert!(found > 0, "no such name was found at all");
    assert_none(&breaches);
}

#[test]
fn every_file_that_may_differ_does() {
    let sources = sources();
    let differs = |name: &str| {
        let source = sources.iter().find(|source| source.name == name);
        source.is_some_and(|source| {
            let mut code = source.product_code();
            code.any(|(_, code)| KNOWS.iter().any(|mark| code.contains(mark)))
        })
    };
    let idle = PLATFORM.iter().filter(|(name, _)| !differs(name));
    let breaches: Vec<String> = idle
        .map(|(name, what)| format!("{name} is in the list for {what}, and does not differ"))
        .collect();
    assert_none(&breaches);
}
