//! Tests of what a file says.

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> File {
    File::parse(text, "f.toml", true)
}

/// The forwards of a good file, each with its line.
#[track_caller]
fn forwards(text: &str) -> Vec<(usize, Forward)> {
    let file = parse(text);
    assert_eq!(file.mistakes, [], "{text}");
    file.forwards
}

fn mistakes(text: &str) -> Vec<String> {
    let mistakes = parse(text).mistakes;
    mistakes.iter().map(ToString::to_string).collect()
}

/// The one mistake of a text.
#[track_caller]
fn mistake(text: &str) -> String {
    let mut found = mistakes(text);
    assert_eq!(found.len(), 1, "{text}: {found:#?}");
    found.remove(0)
}

#[test]
fn a_setting_is_the_text_of_its_variable_with_its_line() {
    let file = parse(
        "# node\nhostname = 'web'\n\nephemeral = true\nmax_connections = 1_000\n\
         log = ['info', 'tailport=debug']\nidle_timeout = 0\n",
    );
    assert_eq!(file.mistakes, []);
    let mut found: Vec<_> = file
        .settings
        .iter()
        .map(|setting| (setting.line, setting.variable.name, setting.text.as_str()))
        .collect();
    found.sort_unstable();
    assert_eq!(
        found,
        [
            (2, "TS_HOSTNAME", "web"),
            (4, "TS_EPHEMERAL", "true"),
            (5, "TS_MAX_CONNECTIONS", "1000"),
            (6, "TS_LOG", "info,tailport=debug"),
            (7, "TS_IDLE_TIMEOUT", "0"),
        ]
    );
    assert!(!file.has_forwards);
}

#[test]
fn every_setting_but_secrets_and_forwards_has_a_key() {
    for variable in VARIABLES {
        let key = variable.key();
        let found = parse(&format!("{key} = 'x'"));
        if variable.file_key().is_some() {
            assert_eq!(found.mistakes, [], "{key}");
            assert_eq!(found.settings[0].variable.name, variable.name);
        } else {
            assert_eq!(found.mistakes.len(), 1, "{key}");
        }
    }
    assert!(
        mistake("authkey = 'x'").contains("is a secret, and this file is none: set authkey_file")
    );
    assert!(mistake("config = 'x'").ends_with("cannot be set in the file: set TS_CONFIG"));
    assert!(mistake("target = 'x'").contains("[[expose]] or [[connect]]"));
}

#[test]
fn forwards_of_the_file_come_in_its_order_with_their_lines() {
    let found = forwards(
        "[[connect]]\nlisten = 33389\ntarget = 'rdp:3389'\n\n[[expose]]\ntarget = '127.0.0.1:22'\n\
         [[connect]]\nlisten = 'unix:/run/db.sock'\ntarget = ['a:1', 'b:2|c:3']\n\
         [[expose]]\nlisten = '9000-9001'\nprotocol = 'udp'\nname = 'media'\ntarget = 'm:1-2'\n",
    );
    let shown: Vec<_> = found
        .iter()
        .map(|(line, forward)| (*line, forward.to_string(), forward.name.as_deref()))
        .collect();
    assert_eq!(
        shown,
        [
            (1, "127.0.0.1:33389=rdp:3389".to_owned(), None),
            (5, "22=127.0.0.1:22".to_owned(), None),
            (7, "unix:/run/db.sock=a:1|b:2|c:3".to_owned(), None),
            (10, "9000/udp=m:1".to_owned(), Some("media-9000")),
            (10, "9001/udp=m:2".to_owned(), Some("media-9001")),
        ]
    );
}

#[test]
fn a_mistake_names_file_line_and_key() {
    for (text, wanted) in [
        (
            "\n[[expose]]\nlisen = 22\ntarget = '127.0.0.1:22'",
            "f.toml:3: expose.lisen: is unknown; did you mean listen?",
        ),
        (
            "hostnme = 'x'",
            "f.toml:1: hostnme: is unknown; did you mean hostname?",
        ),
        (
            "TS_HOSTNAME = 'x'",
            "f.toml:1: TS_HOSTNAME: is unknown; did you mean hostname?",
        ),
        (
            "max-connections = 1",
            "f.toml:1: max-connections: is unknown; did you mean max_connections?",
        ),
        ("whatever = 1", "f.toml:1: whatever: is unknown"),
        (
            "[[connect]]\nlisten = 1\ntarget = 'a:1'\nwhatever = 1",
            "f.toml:4: connect.whatever: is unknown in [[connect]]",
        ),
        (
            "hostname = 'a'\nhostname = 'b'",
            "f.toml:2: hostname: is there twice",
        ),
        (
            "[expose]\nlisten = 22",
            "f.toml:1: expose: is no list of tables: write [[expose]]",
        ),
        (
            "expose = ['22']",
            "f.toml:1: expose: is no table: write [[expose]]",
        ),
        (
            "hostname = 1.5",
            "f.toml:1: hostname: is no text, whole number, true or false; allowed: ",
        ),
        ("hostname = ''", "f.toml:1: hostname: is empty"),
        ("hostname = []", "f.toml:1: hostname: is an empty list"),
        (
            "max_connections = 0x10",
            "f.toml:1: max_connections: is no plain number",
        ),
        (
            "[[connect]]\ntarget = 'a:1'",
            "f.toml:1: connect.listen: is missing; allowed: PORT",
        ),
        (
            "\n[[expose]]\nlisten = 1",
            "f.toml:2: expose.target: is missing; allowed: HOST:PORT",
        ),
        (
            "[[expose]]\ntarget = []",
            "f.toml:2: expose.target: is an empty list",
        ),
        (
            "[[expose]]\ntarget = 'a'",
            "f.toml:2: expose.target: \"a\": has no port",
        ),
        (
            "[[expose]]\ntarget = 'unix:/a'",
            "f.toml:1: expose: has no listening port",
        ),
        (
            "[[expose]]\ntarget = 'a:1'\nallow = []",
            "f.toml:3: expose.allow: is an empty list",
        ),
        (
            "[[expose]]\ntarget = 'a:1'\nallow = ['tag:a', '*']",
            "f.toml:3: expose.allow: \"*\": would allow everyone",
        ),
        (
            "[[expose]]\ntarget = 'a:1'\nname = 'a b'",
            "f.toml:3: expose.name: \"a b\": is no plain name",
        ),
    ] {
        let found = mistake(text);
        assert!(found.starts_with(wanted), "{found}");
    }
}

#[test]
fn all_mistakes_are_found_in_one_run_by_line() {
    let found = mistakes(
        "hostname = 'a'\nhostnme = 'b'\nhostname = 'c'\n[[expose]]\nlisten = 'x'\ntarget = 'y'\n\
         [[connect]]\nmax_connections = 0\n",
    );
    let places: Vec<_> = found
        .iter()
        .filter_map(|line| line.split(": ").next())
        .collect();
    let lines = [2, 3, 5, 6, 7, 7, 8].map(|line| format!("f.toml:{line}"));
    assert_eq!(places, lines, "{found:#?}");
}

#[test]
fn a_million_ports_are_not_held_in_memory() {
    let text = "[[expose]]\nlisten = '1-1024'\ntarget = 'a:1-1024'\n".repeat(1000);
    let file = parse(&text);
    assert_eq!(file.mistakes, []);
    assert_eq!(
        file.forwards.len(),
        Forward::MOST + 1,
        "one more, to be refused"
    );
}

#[test]
fn what_is_no_toml_is_said_with_its_line_and_without_its_text() {
    for text in [
        "a = 1\nb == 2\n",
        "a = 1\n[[expose]\n",
        "x\ny",
        "\u{1b}[2J",
        "a = 0660",
    ] {
        let found = mistakes(text);
        assert!(!found.is_empty(), "{text}");
        assert!(
            found.iter().all(|line| line.contains(": is no TOML: ")),
            "{found:?}"
        );
    }
    assert!(mistakes("a = 1\nb == 2\n")[0].starts_with("f.toml:2: "));
    let deep = format!("hostname = {}", "[".repeat(100_000));
    assert!(!mistakes(&deep).is_empty());
}

#[test]
fn a_key_in_the_file_is_refused_and_not_shown() {
    for text in [
        "hostname = 'tskey-auth-s3cret'",
        "authkey = 'tskey-auth-s3cret'",
        "authkey_file = 'tskey-auth-s3cret'",
        "tskey-auth-s3cret = 1",
        "[[expose]]\ntarget = 'tskey-auth-s3cret:22'",
        "[[expose]]\ntskey-auth-s3cret = 'x'\ntarget = 'a:1'",
        "[[expose]]\nname = 'tskey-auth-s3cret'\ntarget = 'a:1'",
        "hostname = tskey-auth-s3cret",
        "tskey-auth-s3cret",
    ] {
        let found = mistakes(text).join("\n");
        assert!(!found.is_empty(), "{text}");
        assert!(!found.contains("s3cret"), "{found}");
    }
}

#[test]
fn forwards_that_are_not_wanted_are_left_alone() {
    let file = File::parse("[[expose]]\nlisen = 22\n", "f.toml", false);
    assert_eq!((file.mistakes.len(), file.forwards.len()), (0, 0));
    assert!(file.has_forwards);
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in prop_oneof![
        "([a-z_]{1,8} ?= ?('[a-z0-9:/|.-]{0,12}'|[0-9]{1,5}|\\[.{0,8}\\]|.{0,8})\n|\\[\\[(expose|connect)\\]\\]\n){0,12}",
        "(listen|target|mode|name|allow) = ('[0-9a-z:/|.-]{0,12}'|[0-9ox]{1,5})\n"
            .prop_map(|entry| format!("[[expose]]\n{entry}[[connect]]\n{entry}")),
        ".*",
        "[\\[\\]{}=\"'#,.\n a-z0-9]{0,60}",
    ]) {
        for mistake in parse(&text).mistakes {
            let line = mistake.to_string();
            prop_assert!(!line.contains(char::is_control), "{:?}", line);
        }
    }
}

#[test]
fn what_one_peer_may_take_is_set_for_an_expose_only() {
    let keys = "peer_connections = 2\npeer_connections_per_second = 5\n";
    let found = forwards(&format!("[[expose]]\ntarget = '127.0.0.1:22'\n{keys}"));
    let options = &found[0].1.options;
    let limits = [
        options.peer_connections,
        options.peer_connections_per_second,
    ];
    assert_eq!(
        limits.map(|most| most.map(|most| most.get())),
        [Some(2), Some(5)]
    );
    let found = mistakes(&format!("[[connect]]\nlisten = 1\ntarget = 'a:1'\n{keys}"));
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(
        found.iter().all(|one| one.contains("only for an expose")),
        "{found:#?}"
    );
    let zero = "[[expose]]\ntarget = '127.0.0.1:22'\npeer_connections = 0";
    assert!(mistake(zero).contains("must be more than 0"));
}
