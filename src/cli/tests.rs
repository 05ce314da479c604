//! Tests of the command line.

use clap::CommandFactory;
use proptest::prelude::*;

use super::*;

fn request(arguments: &[&str]) -> Result<Request, Answer> {
    read(["tailport"].iter().chain(arguments).map(OsString::from))
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn no_verb_is_run() {
    for arguments in [&[][..], &["run"]] {
        let request = request(arguments).unwrap();
        assert_eq!(request.action, Action::Run);
        assert_eq!(request.arguments.forwards, ForwardArguments::None);
        assert!(request.arguments.flags.is_empty());
    }
    assert_eq!(request(&["check"]).unwrap().action, Action::Check);
}

#[test]
fn arguments_of_expose_and_connect_are_the_forwards() {
    let expose = request(&["expose", "22", "80=db:80"])
        .unwrap()
        .arguments
        .forwards;
    assert_eq!(
        expose,
        ForwardArguments::Expose(vec!["22".into(), "80=db:80".into()])
    );
    let connect = request(&["connect", "1=a:2"]).unwrap().arguments.forwards;
    assert_eq!(connect, ForwardArguments::Connect(vec!["1=a:2".into()]));
}

#[test]
fn every_flag_sets_its_variable_before_and_after_the_verb() {
    let with_flag: Vec<_> = VARIABLES
        .iter()
        .filter_map(|v| Some((v.name, v.flag?)))
        .collect();
    assert!(!with_flag.is_empty());
    for (name, flag) in with_flag {
        let flag = format!("--{flag}=-x");
        for arguments in [
            &[flag.as_str()][..],
            &["run", &flag],
            &[&flag, "check"],
            &["expose", "22", &flag],
        ] {
            let flags = request(arguments).unwrap().arguments.flags;
            assert_eq!(flags, [(name, OsString::from("-x"))], "{arguments:?}");
        }
    }
}

#[test]
fn a_negative_value_reaches_the_configuration_and_a_switch_stands_alone() {
    let flags = request(&["--timeout", "-5s", "--ephemeral", "run"])
        .unwrap()
        .arguments
        .flags;
    assert_eq!(
        flags,
        [
            ("TS_EPHEMERAL", "true".into()),
            ("TS_TIMEOUT", "-5s".into())
        ]
    );
}

#[test]
fn help_goes_to_stdout_and_lists_every_variable_flag_and_exit_code() {
    let answer = request(&["--help"]).unwrap_err();
    assert_eq!(answer.exit, Exit::Success);
    for variable in VARIABLES {
        assert!(answer.text.contains(variable.name), "{}", variable.name);
        assert!(
            variable
                .flag
                .is_none_or(|flag| answer.text.contains(&format!("--{flag}"))),
            "{}",
            variable.name
        );
    }
    for exit in Exit::ALL {
        assert!(
            answer
                .text
                .contains(&format!("{:>2}  {}", exit.code(), exit.meaning()))
        );
    }
    assert_eq!(request(&["--version"]).unwrap_err().exit, Exit::Success);
    assert_eq!(
        request(&["help", "expose"]).unwrap_err().exit,
        Exit::Success
    );
}

#[test]
fn bad_usage_is_64_and_shows_no_key() {
    for arguments in [
        &["--bogus"][..],
        &["bogus"],
        &["expose"],
        &["connect"],
        &["--timeout"],
        &["--authkey=tskey-auth-s3cret"],
        &["tskey-auth-s3cret"],
        &["run", "tskey-auth-s3cret"],
    ] {
        let answer = request(arguments).unwrap_err();
        assert_eq!(answer.exit, Exit::Usage, "{arguments:?}");
        assert!(!answer.text.contains("s3cret"), "{}", answer.text);
    }
}

proptest! {
    #[test]
    fn no_command_line_makes_it_panic(words in proptest::collection::vec(
        prop_oneof!["--?[a-z-]{0,12}(=.{0,8})?", "run|check|expose|connect|help", ".{0,20}"], 0..6,
    )) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let _ = request(&words);
    }
}
