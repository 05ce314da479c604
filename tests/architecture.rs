//! House rules, as text checks over `src/`: who imports whom, where `unsafe` and
//! `spawn` stand, how long a file is and how it opens, and which files know their system;
//! and whether the library has what the Go half's build names.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

#[path = "architecture/archive.rs"]
mod archive;
#[path = "architecture/platform.rs"]
mod platform;
#[path = "architecture/source.rs"]
mod source;

use source::{has_word, sources};

/// Who may import which other modules of the crate. The longest matching file
/// prefix counts; a module may always import itself. `tests` modules obey too.
const IMPORTS: &[(&str, &[&str])] = &[
    // What only declares modules.
    ("lib.rs", &[]),
    // The program: a table of contents.
    ("main.rs", &["app", "cli", "config", "exit", "telemetry"]),
    // The only part that knows every other.
    (
        "app",
        &[
            "admin",
            "cli",
            "config",
            "exit",
            "proxy",
            "shutdown",
            "state_dir",
            "tailnet",
            "telemetry",
        ],
    ),
    ("cli", &["admin", "config", "exit", "state_dir"]),
    // The only bridges between the proxy and what carries its bytes.
    ("proxy/kernel", &["tailnet"]),
    ("proxy/node", &["tailnet"]),
    // The rest of the proxy knows its own traits, the stop signal, and counts.
    ("proxy", &["shutdown", "telemetry", "turn"]),
    // The only caller of the bindings.
    ("tailnet/sys", &["ffi"]),
    ("tailnet", &["turn"]),
    // What is seen from outside: the counters, and what others tell it.
    ("admin", &["telemetry"]),
    // What the configuration asks for, done.
    ("state_dir", &["config", "exit"]),
    ("telemetry/logging", &["config"]),
    // Leaves.
    ("config", &[]),
    ("exit", &[]),
    ("ffi", &[]),
    ("shutdown", &[]),
    ("telemetry", &[]),
    ("turn", &[]),
];

/// Files that may say `unsafe`: those of the room of the thin calls, with their tests.
const UNSAFE: &[&str] = &[
    "tailnet/sys.rs",
    "tailnet/sys/kernel.rs",
    "tailnet/sys/kernel/tests.rs",
    "tailnet/sys/tests.rs",
    "tailnet/sys/timers.rs",
];

/// Files that may relax the crate's ban on unsafe code.
const ALLOW_UNSAFE: &[&str] = &["tailnet/sys.rs", "ffi.rs"];

/// Files, or folders, that may start a task or a thread outside their tests.
const SPAWN: &[&str] = &[
    "admin/serve.rs",
    "app",
    "main.rs",
    "proxy/accept.rs",
    "proxy/udp/serve.rs",
    "shutdown",
    "tailnet/partings.rs",
    "telemetry/gathered.rs",
    "turn",
];

/// The longest file, in lines.
const LONGEST: usize = 320;

/// Fails with every breach at once.
#[track_caller]
fn assert_none(breaches: &[String]) {
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

#[test]
fn every_file_opens_with_what_it_is() {
    let breaches: Vec<String> = sources()
        .iter()
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| format!("{} does not open with `//! `", source.name))
        .collect();
    assert_none(&breaches);
}

#[test]
fn no_file_is_longer_than_one_idea() {
    let breaches: Vec<String> = sources()
        .iter()
        .map(|source| (source, source.text.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST)
        .map(|(source, lines)| format!("{} has {lines} lines, {LONGEST} at most", source.name))
        .collect();
    assert_none(&breaches);
}

#[test]
fn modules_import_only_along_the_arrows() {
    let mut arrows = 0;
    let mut breaches = Vec::new();
    for source in sources() {
        let rule = IMPORTS
            .iter()
            .filter(|(entry, _)| source.is_in(entry))
            .max_by_key(|(entry, _)| entry.len());
        let Some((_, allowed)) = rule else {
            breaches.push(format!("{} has no rule in IMPORTS", source.name));
            continue;
        };
        for import in source.imports() {
            arrows += 1;
            if !allowed.contains(&import.as_str()) {
                breaches.push(format!("{} may not import {import}", source.name));
            }
        }
    }
    assert!(arrows > 0, "no import was found at all");
    assert_none(&breaches);
}

#[test]
fn nothing_climbs_out_of_its_module_by_super() {
    let mut breaches = Vec::new();
    for source in sources() {
        // A file knows its depth; each `super` goes up by one, and the crate's root is too far.
        let own_name = usize::from(!source.name.ends_with("/mod.rs"));
        let depth = source.name.matches('/').count() + own_name;
        for (line, code) in source.product_code() {
            if code.contains(&"super::".repeat(depth)) {
                breaches.push(format!(
                    "{}:{line} reaches the crate's root by super",
                    source.name
                ));
            }
        }
    }
    assert_none(&breaches);
}

#[test]
fn unsafe_stands_in_one_room() {
    let mut uses = 0;
    let mut breaches = Vec::new();
    for source in sources() {
        for (line, code) in source.code() {
            if has_word(code, "unsafe") {
                uses += 1;
                if !UNSAFE.contains(&source.name.as_str()) {
                    breaches.push(format!("{}:{line} is unsafe", source.name));
                }
            }
            let relaxes = code.contains("allow(") || code.contains("expect(");
            if relaxes
                && has_word(code, "unsafe_code")
                && !ALLOW_UNSAFE.contains(&source.name.as_str())
            {
                breaches.push(format!("{}:{line} allows unsafe code", source.name));
            }
        }
    }
    assert!(uses > 0, "no unsafe was found at all");
    assert_none(&breaches);
}

#[test]
fn tasks_start_only_where_somebody_waits_for_them() {
    let mut breaches = Vec::new();
    for source in sources() {
        for (line, code) in source.product_code() {
            let spawns = ["spawn", "spawn_blocking", "spawn_local"]
                .iter()
                .any(|word| has_word(code, word) && code.contains(&format!("{word}(")));
            if spawns && !SPAWN.iter().any(|entry| source.is_in(entry)) {
                breaches.push(format!("{}:{line} starts a task", source.name));
            }
        }
    }
    assert_none(&breaches);
}

#[test]
fn every_allowance_is_used() {
    let sources = sources();
    let entries = IMPORTS
        .iter()
        .map(|(entry, _)| entry)
        .chain(UNSAFE)
        .chain(ALLOW_UNSAFE)
        .chain(platform::LIBC);
    let breaches: Vec<String> = entries
        .chain(SPAWN)
        .filter(|entry| !sources.iter().any(|source| source.is_in(entry)))
        .map(|entry| format!("{entry} is in a list but not in src"))
        .collect();
    assert_none(&breaches);
}
