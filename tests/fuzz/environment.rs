//! The whole configuration from any environment: every mistake is one line without a key, and what
//! is accepted keeps the promises of [`Config`].

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tailport::config::duration::LONGEST;
use tailport::config::variables::VARIABLES;
use tailport::config::{self, Arguments, Config, ForwardArguments, Parsed, Problems};

use crate::forwards::GOOD as FORWARDS;
use crate::{Verdict, hold, input};

/// Good values of all kinds; each also lands where it does not belong.
const VALUES: &[&str] = &[
    "22=127.0.0.1:22,3389=10.0.0.5:3389",
    "127.0.0.1:33389=rdp-host:3389",
    "localhost:22",
    ":22",
    "2222",
    "my-host",
    "https://headscale.example",
    "http://user:password@headscale.example/",
    "/nonexistent/state",
    "relative/state",
    "true",
    "off",
    "30s",
    "0",
    "256MiB",
    "auto",
    "1000",
    "warn,tailport=debug",
    "[conn{port=22}]=debug",
    "json",
    "tag:a,tag:b",
    "tailnet:9090",
];

/// Names that say where things are.
const AROUND: &[&str] = &[
    "STATE_DIRECTORY",
    "XDG_STATE_HOME",
    "HOME",
    "CREDENTIALS_DIRECTORY",
];

fn name() -> impl Strategy<Value = OsString> {
    let ours: Vec<&str> = VARIABLES.iter().map(|variable| variable.name).collect();
    prop_oneof![
        12 => select(ours).prop_map(OsString::from),
        2 => select(AROUND).prop_map(OsString::from),
        1 => "TS_[A-Z_]{0,12}".prop_map(OsString::from),
        1 => Just(format!("TS_{}", input::KEY).into()),
        1 => input::bytes(12),
    ]
}

pub(crate) fn any_environment() -> impl Strategy<Value = Vec<(OsString, OsString)>> {
    let good =
        || [("HOME", "/home/someone"), ("TS_EXPOSE", "22")].map(|(n, v)| (n.into(), v.into()));
    let pairs = vec((name(), input::value(VALUES)), 0..6);
    (any::<bool>(), pairs).prop_map(move |(usable, pairs)| {
        let base = if usable { good().to_vec() } else { Vec::new() };
        // The first one of a name counts, so that the base is often hidden.
        pairs.into_iter().chain(base).collect()
    })
}

#[test]
fn any_environment_is_a_configuration_or_its_mistakes() {
    hold("environments", 10, any_environment(), |environment| {
        judge(&config::parse(&Arguments::default(), environment.clone()))?;
        // What is not ours and not text changes nothing.
        let stranger = OsString::from_vec(b"PATH\xff".to_vec());
        let again = environment
            .clone()
            .into_iter()
            .chain([(stranger.clone(), stranger)]);
        let (one, two) = (
            config::parse(&Arguments::default(), environment),
            config::parse(&Arguments::default(), again),
        );
        prop_assert_eq!(shown(&one), shown(&two));
        Ok(())
    });
}

#[test]
fn any_flags_and_arguments_are_a_configuration_or_their_mistakes() {
    let flags: Vec<&'static str> = VARIABLES
        .iter()
        .filter(|variable| variable.flag.is_some())
        .map(|variable| variable.name)
        .collect();
    let flags = vec((select(flags), input::value(VALUES)), 0..4);
    let items = || vec(input::value(FORWARDS), 0..3);
    let forwards = prop_oneof![
        Just(ForwardArguments::None),
        items().prop_map(ForwardArguments::Expose),
        items().prop_map(ForwardArguments::Connect),
    ];
    let input = (flags, forwards, any_environment());
    hold("flags", 10, input, |(flags, forwards, environment)| {
        judge(&config::parse(&Arguments { flags, forwards }, environment))
    });
}

/// Whatever a user would see of it.
pub(crate) fn shown(result: &Result<Parsed, Problems>) -> String {
    match result {
        Ok(parsed) => {
            let Parsed {
                config, warnings, ..
            } = parsed;
            format!("{}\n{config:?}\n{}", parsed.summary(), warnings.join("\n"))
        }
        Err(problems) => format!("{problems}\n{}", problems.warnings.join("\n")),
    }
}

pub(crate) fn judge(result: &Result<Parsed, Problems>) -> Verdict {
    let shown = shown(result);
    prop_assert!(!shown.contains(input::MARK), "{}", shown);
    match result {
        Ok(parsed) => keeps_its_promises(&parsed.config),
        Err(problems) => {
            prop_assert!(!problems.mistakes.is_empty());
            for mistake in &problems.mistakes {
                let line = mistake.to_string();
                prop_assert!(!line.contains(char::is_control), "{:?}", line);
            }
            Ok(())
        }
    }
}

fn keeps_its_promises(config: &Config) -> Verdict {
    prop_assert!(!config.forwards.is_empty());
    for (i, one) in config.forwards.iter().enumerate() {
        prop_assert!(
            config.forwards[..i]
                .iter()
                .all(|other| !one.collides_with(other))
        );
    }
    prop_assert!(config.node.state_dir.is_absolute() && config.node.state_dir.to_str().is_some());
    prop_assert!(config.node.auth_key.is_none() || config.node.client_secret.is_none());
    prop_assert!(config.node.client_secret.is_none() || !config.node.tags.is_empty());
    prop_assert!((1..=63).contains(&config.node.hostname.len()));
    let times = &config.timeouts;
    prop_assert!(!times.start.is_zero() && !times.dial.is_zero());
    let all = [
        Some(times.start),
        Some(times.login),
        Some(times.dial),
        times.idle,
        Some(times.drain),
        times.keepalive,
    ];
    for time in all.into_iter().flatten() {
        prop_assert!(time <= LONGEST && time.subsec_nanos().is_multiple_of(1_000_000));
    }
    Ok(())
}
