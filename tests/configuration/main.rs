//! The configuration contract from outside: what each variable and the file may hold, what is refused, and in
//! which words.

mod documents;
mod file;
mod forwards;
mod login;
mod outputs;
mod refusals;
mod sources;
mod values;

use std::ffi::OsString;

use tailport::config::{self, Arguments, Config, Parsed, Problems};

/// An environment with a home and these variables.
fn environment(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    let home = [("HOME", "/home/someone")];
    home.iter()
        .chain(pairs)
        .map(|(name, text)| (name.into(), text.into()))
        .collect()
}

fn parse(pairs: &[(&str, &str)]) -> Result<Parsed, Problems> {
    config::parse(&Arguments::default(), environment(pairs))
}

/// The configuration of these variables beside one good forward.
fn good(pairs: &[(&str, &str)]) -> Config {
    let all: Vec<_> = [("TS_EXPOSE", "22")]
        .into_iter()
        .chain(pairs.iter().copied())
        .collect();
    parse(&all)
        .unwrap_or_else(|problems| panic!("{pairs:?}: {problems}"))
        .config
}

/// The mistakes of these variables beside one good forward.
fn bad(pairs: &[(&str, &str)]) -> Vec<String> {
    let all: Vec<_> = [("TS_EXPOSE", "22")]
        .into_iter()
        .chain(pairs.iter().copied())
        .collect();
    mistakes(&all)
}

fn mistakes(pairs: &[(&str, &str)]) -> Vec<String> {
    let problems = parse(pairs).expect_err(&format!("{pairs:?} was accepted"));
    problems.mistakes.iter().map(ToString::to_string).collect()
}

/// The one mistake, which begins with the variable and names the text given and what is allowed.
#[track_caller]
fn refused(pairs: &[(&str, &str)], name: &str, text: &str) -> String {
    let found = bad(pairs);
    assert_eq!(found.len(), 1, "{found:#?}");
    let shown = format!("{name}: {text:?}: ");
    assert!(
        found[0].starts_with(&shown) && found[0].contains("; allowed: "),
        "{}",
        found[0]
    );
    found[0].clone()
}

fn forwards(pairs: &[(&str, &str)]) -> Vec<String> {
    let parsed = parse(pairs).unwrap_or_else(|problems| panic!("{pairs:?}: {problems}"));
    parsed
        .config
        .forwards
        .iter()
        .map(|f| format!("{} {f}", f.kind()))
        .collect()
}
