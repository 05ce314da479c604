//! Completions and the manual page, judged by the programs that read them.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use std::io::Write;
use std::process::{Command, Stdio};

use tailport::config::variables::VARIABLES;
use tailport::exit::Exit;

/// What the program prints, and its exit code is 0.
#[track_caller]
fn printed(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_tailport"))
        .args(arguments)
        .env_clear()
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What a program says to a text on its stdin; `None` where it is not installed.
fn judged(program: &str, arguments: &[&str], text: &str) -> Option<(bool, String, String)> {
    let mut judge = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .inspect_err(|error| eprintln!("{program} is not asked: {error}"))
        .ok()?;
    let mut stdin = judge.stdin.take().unwrap();
    // A judge may have heard enough.
    let _ = stdin.write_all(text.as_bytes());
    drop(stdin);
    let said = judge.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Some((said.status.success(), text(said.stdout), text(said.stderr)))
}

#[track_caller]
fn is_accepted(shell: &str, arguments: &[&str]) {
    let script = printed(&["completions", shell]);
    for verb in ["expose", "status", "completions"] {
        assert!(script.contains(verb), "{shell}: no {verb}");
    }
    if let Some((good, _, complaints)) = judged(shell, arguments, &script) {
        assert!(good && complaints.is_empty(), "{shell}: {complaints}");
    }
}

#[test]
fn bash_takes_its_completions_and_offers_the_verbs() {
    let script = printed(&["completions", "bash"]);
    let ask = "\nCOMP_WORDS=(tailport st); COMP_CWORD=1\n_tailport tailport st tailport\n\
               printf '%s\\n' \"${COMPREPLY[@]}\"\n";
    let (good, offered, complaints) = judged("bash", &[], &(script + ask)).unwrap();
    assert!(good && complaints.is_empty(), "{complaints}");
    assert_eq!(offered.trim(), "status");
}

#[test]
fn zsh_takes_its_completions_where_it_is_installed() {
    is_accepted("zsh", &["-n"]);
}

#[test]
fn fish_takes_its_completions_where_it_is_installed() {
    is_accepted("fish", &["--no-execute"]);
}

#[test]
fn man_has_nothing_to_say_about_the_page_where_it_is_installed() {
    let page = printed(&["man"]);
    for variable in VARIABLES {
        assert!(
            page.contains(&format!("\\fB{}\\fR", variable.name)),
            "{}",
            variable.name
        );
    }
    for exit in Exit::ALL {
        assert!(page.contains(exit.meaning()), "{exit:?}");
    }
    let arguments = ["--warnings=all", "--local-file", "-P", "cat", "-"];
    if let Some((good, shown, complaints)) = judged("man", &arguments, &page) {
        assert!(good && complaints.is_empty(), "{complaints}");
        assert!(shown.contains("EXIT STATUS"), "{shown}");
    }
}

#[test]
fn a_shell_that_is_not_known_is_bad_usage() {
    let output = Command::new(env!("CARGO_BIN_EXE_tailport"))
        .args(["completions", "tcsh"])
        .env_clear()
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(64));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("bash") && said.contains("fish"), "{said}");
}
