//! The documents about the file are true: the example parses and is complete, the reference names
//! every key.

use std::fs;
use std::path::Path;

use tailport::config::variables::{Group, VARIABLES};
use tailport::config::{self, Arguments, Forward, Parsed, Protocol};

use crate::environment;

/// The keys of a forward's table.
const FORWARD_KEYS: [&str; 14] = [
    "peer_connections",
    "peer_connections_per_second",
    "name",
    "listen",
    "target",
    "protocol",
    "max_connections",
    "dial_timeout",
    "idle_timeout",
    "allow",
    "proxy_protocol",
    "mode",
    "owner",
    "group",
];

fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs")
        .join(name);
    fs::read_to_string(path).unwrap_or_else(|error| panic!("docs/{name}: {error}"))
}

/// The configuration of this file alone.
#[track_caller]
fn parse(text: &str) -> Parsed {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("tailport.toml");
    fs::write(&path, text).expect("a file");
    let mut environment = environment(&[]);
    environment.push(("TS_CONFIG".into(), path.into()));
    config::parse(&Arguments::default(), environment).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_example_parses_without_a_warning() {
    let parsed = parse(&document("tailport.toml"));
    assert_eq!(parsed.warnings, [""; 0]);
    let config = parsed.config;
    assert_eq!(config.node.hostname, "office-gateway");
    assert_eq!(config.forwards.len(), 16);
    let named = |name: &str| -> &Forward {
        let mut forwards = config.forwards.iter();
        forwards
            .find(|forward| forward.name.as_deref() == Some(name))
            .unwrap()
    };
    assert_eq!(named("ssh").options.allow.len(), 4);
    assert_eq!(named("web").protocol(), Protocol::Tls);
    assert_eq!(named("media-9010").to_string(), "9010=10.0.0.7:9010");
    assert_eq!(named("db").options.socket.mode, 0o660);
}

#[test]
fn the_example_has_every_key_of_the_file() {
    let example = document("tailport.toml");
    let begins = |key: &str| {
        let begins = format!("{key} = ");
        example
            .lines()
            .any(|line| line.trim_start_matches('#').starts_with(&begins))
    };
    for variable in VARIABLES {
        let key = variable.name.trim_start_matches("TS_").to_lowercase();
        let in_file = variable.in_file && !variable.secret && variable.group != Group::Forwards;
        // Forwards have keys of these names too.
        let of_forwards = FORWARD_KEYS.contains(&key.as_str());
        assert!(of_forwards || begins(&key) == in_file, "{key}");
    }
    for key in FORWARD_KEYS {
        assert!(begins(key), "{key}");
    }
}

#[test]
fn the_reference_names_every_key_of_a_forward_and_no_other_is_known() {
    let reference = document("configuration.md");
    for key in FORWARD_KEYS {
        assert!(reference.contains(&format!("`{key}`")), "{key}");
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tailport.toml");
    let keys = FORWARD_KEYS.map(|key| format!("{key} = ''\n")).concat();
    fs::write(&path, format!("[[connect]]\n{keys}other = ''\n")).unwrap();
    let mut environment = environment(&[]);
    environment.push(("TS_CONFIG".into(), path.into()));
    let problems = config::parse(&Arguments::default(), environment).unwrap_err();
    let unknown = |key: &str| {
        let begins = format!(": connect.{key}: is unknown");
        problems
            .mistakes
            .iter()
            .any(|mistake| mistake.to_string().contains(&begins))
    };
    assert!(unknown("other"));
    assert!(!FORWARD_KEYS.iter().any(|key| unknown(key)), "{problems}");
}

#[test]
fn every_one_line_form_of_the_reference_is_a_forward() {
    let reference = document("configuration.md");
    let table = reference
        .lines()
        .skip_while(|line| !line.starts_with("| written"));
    let mut rows = 0;
    for line in table.skip(2).take_while(|line| line.starts_with('|')) {
        let text = line.split('`').nth(1).unwrap().replace("\\|", "|");
        let is_connect = text.contains("office-pc") || text.contains("-host:");
        let read = if is_connect {
            Forward::connect(&text)
        } else {
            Forward::expose(&text)
        };
        assert!(read.is_ok(), "{text}: {read:?}");
        rows += 1;
    }
    assert!(rows > 10, "{rows}");
}

#[test]
fn every_entry_of_an_allow_list_in_the_reference_is_one() {
    let reference = document("configuration.md");
    let table = reference
        .lines()
        .skip_while(|line| !line.starts_with("| entry"));
    let mut rows = 0;
    for line in table.skip(2).take_while(|line| line.starts_with('|')) {
        let first = line.split('|').nth(1).unwrap();
        for entry in first.split('`').skip(1).step_by(2) {
            assert!(entry.parse::<config::Allow>().is_ok(), "{entry}");
            rows += 1;
        }
    }
    assert!(rows >= 8, "{rows}");
}
