//! Where settings come from: environment, flags, arguments and the surroundings.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use tailport::config::{self, Arguments, ForwardArguments};
use tailport::state_dir;

use crate::{environment, good, parse};

#[test]
fn a_foreign_variable_that_is_not_utf8_changes_nothing() {
    let bytes = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
    let mut environment = environment(&[("TS_EXPOSE", "22")]);
    environment.push((bytes(b"FOREIGN"), bytes(b"\xff\xfe")));
    environment.push((bytes(b"\xff\xfe"), bytes(b"x")));
    environment.push((bytes(b"TS_\xff"), bytes(b"\xff")));
    let parsed = config::parse(&Arguments::default(), environment).unwrap();
    assert_eq!(
        parsed.config.summary().to_string(),
        good(&[]).summary().to_string()
    );
    assert_eq!(parsed.warnings, [""; 0]);
}

#[test]
fn an_unknown_variable_is_a_warning_with_a_suggestion() {
    let parsed = parse(&[
        ("TS_EXPOSE", "22"),
        ("TS_HOSTNAM", "x"),
        ("TS_DEBUG_MTU", "1200"),
    ])
    .unwrap();
    assert_eq!(
        parsed.warnings,
        ["unknown variable TS_HOSTNAM has no effect: did you mean TS_HOSTNAME?"]
    );
    assert_eq!(
        parse(&[("TS_EXPOSES", "22")]).unwrap_err().warnings.len(),
        1,
        "also beside mistakes"
    );
}

#[test]
fn flags_win_over_the_environment_and_are_named_in_mistakes() {
    let arguments = |flags: &[(&'static str, &str)]| Arguments {
        flags: flags
            .iter()
            .map(|(name, text)| (*name, text.into()))
            .collect(),
        forwards: ForwardArguments::None,
    };
    let environment = environment(&[
        ("TS_EXPOSE", "22"),
        ("TS_TIMEOUT", "nonsense"),
        ("TS_HOSTNAME", "env"),
    ]);
    let flags = arguments(&[("TS_TIMEOUT", "7s"), ("TS_HOSTNAME", "flag")]);
    let config = config::parse(&flags, environment.clone()).unwrap().config;
    assert_eq!(
        (config.timeouts.start, config.node.hostname.as_str()),
        (Duration::from_secs(7), "flag")
    );
    let problems = config::parse(&arguments(&[("TS_TIMEOUT", "7")]), environment).unwrap_err();
    assert!(
        problems
            .to_string()
            .starts_with("--timeout (TS_TIMEOUT): \"7\": has no unit"),
        "{problems}"
    );
}

#[test]
fn arguments_of_expose_and_connect_stand_in_for_the_variables() {
    let environment = environment(&[
        ("TS_EXPOSE", "nonsense"),
        ("TS_CONNECT", "80=a:1"),
        ("TS_LISTEN", ""),
    ]);
    let arguments = |forwards| Arguments {
        flags: Vec::new(),
        forwards,
    };
    let expose = arguments(ForwardArguments::Expose(vec![
        "22".into(),
        "10.0.0.5:3389".into(),
    ]));
    let parsed = config::parse(&expose, environment.clone()).unwrap();
    let made: Vec<_> = parsed
        .config
        .forwards
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(made, ["22=127.0.0.1:22", "3389=10.0.0.5:3389"]);
    assert_eq!(parsed.warnings.len(), 3, "{:?}", parsed.warnings);
    let connect = arguments(ForwardArguments::Connect(vec![
        "33389=rdp:3389".into(),
        "x".into(),
        "y".into(),
    ]));
    let problems = config::parse(&connect, environment).unwrap_err();
    assert_eq!(problems.mistakes.len(), 2, "{problems}");
    assert!(
        problems
            .to_string()
            .starts_with("argument of connect: \"x\": "),
        "{problems}"
    );
}

#[test]
fn the_state_directory_is_systemds_then_the_users() {
    let state = |pairs: &[(&str, &str)]| good(pairs).node.state_dir;
    let all = [
        ("STATE_DIRECTORY", "/var/lib/a:/var/lib/b"),
        ("XDG_STATE_HOME", "/xdg"),
    ];
    assert_eq!(state(&all), Path::new("/var/lib/a"));
    assert_eq!(state(&all[1..]), Path::new("/xdg/tailport"));
    assert_eq!(
        state(&[("XDG_STATE_HOME", "relative")]),
        Path::new("/home/someone/.local/state/tailport")
    );
    assert_eq!(
        state(&[all[0], ("TS_STATE_DIR", "/own")]),
        Path::new("/own")
    );
    assert!(state(&[("TS_STATE_DIR", "relative")]).is_absolute());
}

#[test]
fn no_place_for_state_is_a_mistake() {
    let environment = [("TS_EXPOSE".into(), "22".into())];
    let problems = config::parse(&Arguments::default(), environment).unwrap_err();
    assert!(
        problems
            .to_string()
            .starts_with("TS_STATE_DIR: is not set, and neither"),
        "{problems}"
    );
}

#[test]
fn the_chosen_state_directory_opens() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("state");
    let config = good(&[("TS_STATE_DIR", path.to_str().unwrap())]);
    let state = state_dir::StateDir::open(&config.node.state_dir).unwrap();
    assert_eq!(
        fs::metadata(state.path()).unwrap().permissions().mode() & 0o777,
        0o700
    );
}
