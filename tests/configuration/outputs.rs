//! What is shown: `check`, the README, and never a secret.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;

use proptest::prelude::*;
use tailport::cli;
use tailport::config::variables::{self, UNSET, VARIABLES};
use tailport::config::{self, Arguments};
use tailport::exit::{self, Exit};

use crate::{bad, environment, parse};

#[test]
fn a_secret_is_in_no_output_wherever_it_was_put() {
    let secret = "tskey-auth-s3cret";
    for variable in VARIABLES {
        let mut output = format!(
            "{:?}",
            parse(&[("TS_EXPOSE", "22"), (variable.name, secret)])
        );
        let parsed = parse(&[
            ("TS_TIMEOUT", "x"),
            ("TS_AUTHKEY", secret),
            (variable.name, "tskey-auth-s3cret x"),
        ]);
        output.push_str(&parsed.unwrap_err().to_string());
        let hostname_or_path = ["TS_HOSTNAME", "TS_STATE_DIR"].contains(&variable.name);
        assert!(
            hostname_or_path || !output.contains("s3cret"),
            "{}: {output}",
            variable.name
        );
    }
    let hex = "0123456789abcdef0123456789abcdef0123456789abcdef";
    assert!(
        !bad(&[("TS_AUTHKEY_FILE", hex)])[0].contains(hex),
        "a bare key in the place of its file"
    );
    assert!(!bad(&[("TS_AUTHKEY", "s3cret with space")])[0].contains("s3cret"));
}

#[test]
fn check_prints_the_settings_in_effect_without_secrets() {
    let parsed = parse(&[
        ("TS_EXPOSE", "22,svc:web:443=127.0.0.1:8080"),
        ("TS_AUTHKEY", "tskey-auth-s3cret"),
        ("TS_HOSTNAM", "x"),
    ]);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    assert_eq!(cli::check(&parsed, &mut out, &mut err), Exit::Success);
    let (out, err) = (
        String::from_utf8(out).unwrap(),
        String::from_utf8(err).unwrap(),
    );
    assert!(
        out.contains("REDACTED") && out.contains("22/tcp to 127.0.0.1:22"),
        "{out}"
    );
    assert!(out.contains("svc:web:443 to 127.0.0.1:8080"), "{out}");
    assert!(!out.contains("s3cret"));
    assert!(
        err.starts_with("warning: unknown variable TS_HOSTNAM"),
        "{err}"
    );
    let elsewhere = [
        "TS_AUTHKEY_FILE",
        "TS_CLIENT_SECRET_FILE",
        "TS_EXPOSE",
        "TS_CONNECT",
        "TS_TARGET",
        "TS_LISTEN",
        "TS_LOCAL_ADDR",
    ];
    for variable in VARIABLES
        .iter()
        .filter(|variable| !elsewhere.contains(&variable.name))
    {
        assert!(
            out.lines()
                .any(|line| line.split(' ').next() == Some(variable.name)),
            "{}",
            variable.name
        );
    }
}

#[test]
fn check_says_where_everything_comes_from() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("t.toml");
    let text = "hostname = 'web'\ntimeout = '7s'\n\n[[expose]]\nname = 'ssh'\nlisten = 2222\n\
                target = '127.0.0.1:22'\nallow = ['tag:a', 'bob@example.com']\n";
    fs::write(&file, text).unwrap();
    fs::write(directory.path().join("ts-authkey"), "tskey-auth-s3cret").unwrap();
    let arguments = Arguments {
        flags: vec![
            ("TS_CONFIG", file.into()),
            ("TS_DRAIN_TIMEOUT", "1s".into()),
        ],
        ..Arguments::default()
    };
    let credentials = directory.path().to_str().unwrap();
    let environment = environment(&[
        ("CREDENTIALS_DIRECTORY", credentials),
        ("TS_TIMEOUT", "8s"),
        ("TS_CONNECT", "80=a:1"),
    ]);
    let parsed = config::parse(&arguments, environment).unwrap();
    let out = parsed.summary().to_string();
    for wanted in [
        ["TS_HOSTNAME", "t.toml:1", "web"],
        ["TS_TIMEOUT", "environment", "8s"],
        ["TS_DRAIN_TIMEOUT", "--drain-timeout", "1s"],
        ["TS_LOG", "default", "info"],
        ["TS_AUTHKEY", "credential", "REDACTED"],
        ["expose", "t.toml:4", "2222/tcp to 127.0.0.1:22"],
        ["connect", "TS_CONNECT", "127.0.0.1:80 to a:1"],
    ] {
        let row = |line: &&str| {
            line.split("  ")
                .map(str::trim)
                .filter(|w| !w.is_empty())
                .eq(wanted)
        };
        assert!(out.lines().any(|line| row(&line)), "{wanted:?}: {out}");
    }
    assert!(out.contains("name ssh, allow tag:a,"), "{out}");
    for line in out
        .lines()
        .filter(|line| !line.contains("t.toml") && !line.contains("STATE"))
    {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn check_of_a_bad_configuration_is_64_on_stderr() {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    assert_eq!(
        cli::check(&parse(&[("TS_TIMEOUT", "5")]), &mut out, &mut err),
        Exit::Usage
    );
    assert!(out.is_empty());
    assert_eq!(String::from_utf8(err).unwrap().lines().count(), 2);
}

#[test]
fn what_the_go_half_must_not_see_is_unset() {
    for name in [
        "TS_AUTHKEY",
        "TS_AUTH_KEY",
        "TS_CLIENT_SECRET",
        "TS_CLIENT_ID",
        "TS_ID_TOKEN",
        "TS_AUDIENCE",
    ] {
        assert!(UNSET.contains(&name), "{name}");
    }
    assert!(UNSET.contains(&"TS_CONTROL_URL") && UNSET.contains(&"TSNET_FORCE_LOGIN"));
}

#[test]
fn the_readme_has_the_tables_of_variables_and_exit_codes_as_they_are() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    for (what, table, first) in [
        ("variables", variables::markdown_table(), "| Variable |"),
        ("exit codes", exit::markdown_table(), "| Code |"),
    ] {
        let found: Vec<_> = readme
            .lines()
            .skip_while(|line| !line.starts_with(first))
            .take_while(|line| line.starts_with('|'))
            .collect();
        let wanted: Vec<_> = table.lines().collect();
        assert_eq!(
            found, wanted,
            "the README's table of {what} must be:\n\n{table}"
        );
    }
}

proptest! {
    #[test]
    fn no_environment_makes_it_panic_or_leak(
        texts in proptest::collection::vec(
            proptest::option::weighted(0.4, prop_oneof![
                "[0-9]{0,20}(ns|us|ms|s|m|h|d|y|MiB|GB)?",
                "[\\[\\]:=/,.0-9a-z%@{}-]{0,60}",
                "(https?://)?[a-z0-9:@/?#\\[\\].%]{0,40}",
                ".{0,40}",
            ]),
            VARIABLES.len(),
        ),
        bytes in proptest::collection::vec(any::<u8>(), 0..30),
    ) {
        let mut environment = environment(&[]);
        for (variable, text) in VARIABLES.iter().zip(texts) {
            // No file may be opened by chance.
            let is_file = variable.name.ends_with("_FILE") || variable.name == "TS_CONFIG";
            let below = if is_file { "/nonexistent/" } else { "" };
            if let Some(text) = text {
                environment.push((variable.name.into(), format!("{below}{text}").into()));
            }
        }
        let foreign = OsString::from_vec([b"TS_".as_slice(), &bytes].concat());
        environment.push((foreign, OsString::from_vec(bytes)));
        match config::parse(&Arguments::default(), environment) {
            Ok(parsed) => {
                prop_assert!(!parsed.config.forwards.is_empty());
                let timeouts = parsed.config.timeouts;
                prop_assert!(!timeouts.dial.is_zero() && !timeouts.start.is_zero());
                let _ = format!("{:?} {}", parsed, parsed.config.summary());
            }
            Err(problems) => prop_assert!(!problems.mistakes.is_empty()),
        }
    }
}
