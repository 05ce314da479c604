//! The configuration file beside everything else that says something.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use tailport::config::{self, Arguments, ForwardArguments, Parsed, Problems};

use crate::environment;

/// A configuration file in a directory of its own.
struct File(tempfile::TempDir);

impl File {
    fn new(text: &str) -> File {
        let file = File(tempfile::tempdir().expect("a directory"));
        fs::write(file.path(), text).expect("a file");
        file
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("tailport.toml")
    }

    /// How a mistake in this line begins.
    fn at(&self, line: usize) -> String {
        format!("{}:{line}: ", self.path().display())
    }

    /// The configuration of this file and these variables.
    fn with(&self, pairs: &[(&str, &str)]) -> Result<Parsed, Problems> {
        self.with_arguments(Arguments::default(), pairs)
    }

    fn with_arguments(
        &self,
        arguments: Arguments,
        pairs: &[(&str, &str)],
    ) -> Result<Parsed, Problems> {
        let mut environment = environment(pairs);
        environment.push(("TS_CONFIG".into(), self.path().into()));
        config::parse(&arguments, environment)
    }

    #[track_caller]
    fn mistakes(&self, pairs: &[(&str, &str)]) -> Vec<String> {
        let problems = self.with(pairs).expect_err("it was accepted");
        problems.mistakes.iter().map(ToString::to_string).collect()
    }
}

fn shown(parsed: &Parsed) -> Vec<String> {
    let forwards = parsed.config.forwards.iter();
    forwards.map(ToString::to_string).collect()
}

#[test]
fn flags_win_over_the_environment_and_the_environment_over_the_file() {
    let file = File::new(
        "hostname = 'file'\nmax_connections = 7\ndial_timeout = '7s'\ntimeout = '7s'\n\
         [[expose]]\ntarget = '127.0.0.1:22'\n",
    );
    let arguments = Arguments {
        flags: vec![("TS_DIAL_TIMEOUT", "9s".into())],
        ..Arguments::default()
    };
    let environment = [("TS_DIAL_TIMEOUT", "8s"), ("TS_TIMEOUT", "8s")];
    let config = file.with_arguments(arguments, &environment).unwrap().config;
    assert_eq!(config.node.hostname, "file");
    assert_eq!(config.max_connections.get(), 7);
    assert_eq!(config.timeouts.dial.as_secs(), 9);
    assert_eq!(config.timeouts.start.as_secs(), 8);
    assert_eq!(config.timeouts.drain.as_secs(), 15);
    assert_eq!(config.file.unwrap(), file.path());
}

#[test]
fn the_flag_names_the_file_too() {
    let file = File::new("hostname = 'file'\n[[expose]]\ntarget = '127.0.0.1:22'\n");
    let arguments = Arguments {
        flags: vec![("TS_CONFIG", file.path().into())],
        ..Arguments::default()
    };
    let parsed = config::parse(&arguments, environment(&[("TS_CONFIG", "/nowhere")])).unwrap();
    assert_eq!(parsed.config.node.hostname, "file");
}

#[test]
fn a_mistake_in_the_file_is_told_by_line_and_key_beside_all_others() {
    let file = File::new("hostname = '-a'\ntimeout = 5\n[[expose]]\nlisen = 22\ntarget = 'a:22'\n");
    let found = file.mistakes(&[("TS_DRAIN_TIMEOUT", "soon")]);
    assert_eq!(found.len(), 4, "{found:#?}");
    for wanted in [
        file.at(1) + "hostname: \"-a\": is not a DNS label; allowed: ",
        file.at(2) + "timeout: \"5\": has no unit",
        file.at(4) + "expose.lisen: is unknown; did you mean listen?",
        "TS_DRAIN_TIMEOUT: \"soon\": ".to_owned(),
    ] {
        assert!(
            found.iter().any(|line| line.starts_with(&wanted)),
            "{wanted}: {found:#?}"
        );
    }
}

#[test]
fn forwards_of_the_file_and_the_environment_add_up_and_may_not_collide() {
    let file = File::new(
        "[[expose]]\nname = 'ssh'\ntarget = '127.0.0.1:22'\n\n[[connect]]\nlisten = 80\ntarget = 'a:80'\n",
    );
    let parsed = file.with(&[("TS_EXPOSE", "23,22/udp")]).unwrap();
    assert_eq!(
        shown(&parsed),
        [
            "22=127.0.0.1:22",
            "127.0.0.1:80=a:80",
            "23=127.0.0.1:23",
            "22/udp=127.0.0.1:22"
        ]
    );
    let found = file.mistakes(&[("TS_EXPOSE", "22=db:22"), ("TS_CONNECT", "80=b:80")]);
    assert_eq!(found.len(), 2, "{found:#?}");
    let wanted = "TS_EXPOSE: \"22=db:22\": listens on 22/tcp like \"22=127.0.0.1:22\" of ";
    assert!(
        found[0].starts_with(&format!("{wanted}{}expose", file.at(1))),
        "{}",
        found[0]
    );
    let twice = File::new("[[expose]]\ntarget = 'a:22'\n[[expose]]\ntarget = 'b:22'\n");
    let found = twice.mistakes(&[]);
    assert!(
        found[0].starts_with(&(twice.at(3) + "expose: \"22=b:22\": listens on")),
        "{found:?}"
    );
}

#[test]
fn no_two_forwards_have_one_name() {
    let file = File::new(
        "[[expose]]\nname = 'a'\ntarget = 'a:22'\n[[connect]]\nname = 'a'\nlisten = 1\ntarget = 'b:22'\n",
    );
    let found = file.mistakes(&[]);
    assert_eq!(found.len(), 1, "{found:#?}");
    let wanted = file.at(4) + "connect: \"a\": has the name of " + &file.at(1) + "expose";
    assert!(found[0].starts_with(&wanted), "{}", found[0]);
}

#[test]
fn arguments_stand_in_for_the_forwards_of_the_file_with_a_warning() {
    let file = File::new("hostname = 'file'\n[[expose]]\nlisten = 'nonsense'\n");
    let arguments = || Arguments {
        flags: Vec::new(),
        forwards: ForwardArguments::Expose(vec!["22".into()]),
    };
    let parsed = file.with_arguments(arguments(), &[]).unwrap();
    assert_eq!(shown(&parsed), ["22=127.0.0.1:22"]);
    assert_eq!(parsed.config.node.hostname, "file");
    let warning = format!("the forwards of {} are not used", file.path().display());
    assert!(
        parsed.warnings[0].starts_with(&warning),
        "{:?}",
        parsed.warnings
    );
    let plain = File::new("hostname = 'file'\n");
    assert!(
        plain
            .with_arguments(arguments(), &[])
            .unwrap()
            .warnings
            .is_empty()
    );
}

#[test]
fn a_login_of_the_environment_takes_the_place_of_the_files() {
    let file = File::new("authkey_file = '/nonexistent'\n[[expose]]\ntarget = 'a:22'\n");
    let found = file.mistakes(&[]);
    assert!(
        found[0].starts_with(&(file.at(1) + "authkey_file: \"/nonexistent\": ")),
        "{found:?}"
    );
    let config = file.with(&[("TS_AUTHKEY", "tskey-own")]).unwrap().config;
    assert_eq!(config.node.auth_key.unwrap().expose(), "tskey-own");
    let client = [("TS_CLIENT_SECRET", "tskey-client"), ("TS_TAGS", "tag:a")];
    assert!(file.with(&client).unwrap().config.node.auth_key.is_none());
}

#[test]
fn a_file_that_others_may_write_is_refused() {
    let file = File::new("[[expose]]\ntarget = 'a:22'\n");
    for (mode, good) in [(0o644, true), (0o664, true), (0o646, false), (0o602, false)] {
        fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(file.with(&[]).is_ok(), good, "{mode:o}");
    }
    let found = file.mistakes(&[]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].starts_with("TS_CONFIG: ") && found[0].contains("run chmod o-w"));
}

#[test]
fn a_file_that_is_none_is_refused_and_nothing_else_is_guessed_from_it() {
    let file = File::new("");
    let directory = file.0.path();
    let put = |bytes: &[u8]| fs::write(file.path(), bytes).unwrap();
    let reason = || {
        let mut found = file.mistakes(&[]);
        assert_eq!(found.len(), 1, "{found:#?}");
        found.remove(0)
    };
    put(b"\xff\xfe");
    assert!(reason().contains("is not valid UTF-8"));
    put(&vec![b'#'; (1 << 20) + 1]);
    assert!(reason().contains("is larger than 1048576 bytes"));
    put(b"[[expose");
    assert!(reason().starts_with(&(file.at(1).trim_end().to_owned() + " is no TOML: ")));
    fs::remove_file(file.path()).unwrap();
    assert!(reason().contains("does not exist"));
    symlink(directory, file.path()).unwrap();
    assert!(reason().contains("is not a regular file"));
    fs::remove_file(file.path()).unwrap();
    fs::write(directory.join("other"), "[[expose]]\ntarget = 'a:22'\n").unwrap();
    symlink("other", file.path()).unwrap();
    assert_eq!(shown(&file.with(&[]).unwrap()), ["22=a:22"]);
}

#[test]
fn a_file_without_forwards_needs_them_elsewhere() {
    let file = File::new("hostname = 'file'\n");
    let found = file.mistakes(&[]);
    assert!(
        found.len() == 1 && found[0].contains("nothing to forward"),
        "{found:?}"
    );
    assert!(file.with(&[("TS_EXPOSE", "22")]).is_ok());
    // The proxy leads somewhere by itself.
    assert!(file.with(&[("TS_SOCKS5_ADDR", "1080")]).is_ok());
    assert!(file.with(&[("TS_SOCKS5_ADDR", "off")]).is_err());
}

#[test]
fn a_path_with_strange_characters_does_not_garble_a_mistake() {
    let name: OsString = "/nowhere/\u{1b}[2J\n".into();
    let mut environment = environment(&[]);
    environment.push(("TS_CONFIG".into(), name));
    let problems = config::parse(&Arguments::default(), environment).unwrap_err();
    let line = problems.mistakes[0].to_string();
    assert!(!line.contains(char::is_control), "{line:?}");
}

#[test]
fn the_socks5_table_says_who_may_use_the_proxy_and_where_it_leads() {
    let secrets = tempfile::tempdir().unwrap();
    let password = secrets.path().join("password");
    fs::write(&password, "open-sesame\n").unwrap();
    let table = format!(
        "[socks5]\nlisten = 1080\nuser = 'alice'\npassword_file = '{}'\nallow = ['db:1', '*.lan']\n",
        password.display()
    );
    let file = File::new(&table);
    fs::set_permissions(&password, fs::Permissions::from_mode(0o604)).unwrap();
    let found = file.mistakes(&[]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].contains("socks5.password_file: is open to other users"),
        "{found:#?}"
    );

    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
    let parsed = file.with(&[]).unwrap();
    let rules = &parsed.config.socks5_rules;
    let login = rules.login.as_ref().unwrap();
    assert_eq!(
        (login.user.as_str(), login.password.expose()),
        ("alice", "open-sesame")
    );
    assert_eq!(rules.allow.as_ref().unwrap().len(), 2);
    assert_eq!(parsed.config.socks5.unwrap().to_string(), "127.0.0.1:1080");
    let shown = format!("{}{:?}", parsed.summary(), parsed.config);
    assert!(
        shown.contains("allow *.lan") && !shown.contains("sesame"),
        "{shown}"
    );

    let over = file.with(&[("TS_SOCKS5_ADDR", "127.0.0.1:9")]).unwrap();
    assert_eq!(over.config.socks5.unwrap().to_string(), "127.0.0.1:9");
    assert!(over.config.socks5_rules.login.is_some());
    let changed = config::changes(&parsed.config, &over.config);
    assert_eq!(changed.restart_needed, ["TS_SOCKS5_ADDR"]);
}

#[test]
fn a_socks5_table_that_protects_less_than_it_seems_to_is_refused() {
    for (table, wanted) in [
        ("listen = 1\nuser = 'a'", "socks5.password_file: is missing"),
        (
            "listen = 1\npassword_file = '/nowhere/p'",
            "socks5.user: is missing",
        ),
        ("allow = 'a'", "socks5.listen: is missing"),
        ("listen = 1\nallow = []", "socks5.allow: is an empty list"),
        (
            "listen = 1\nallow = '10.0.0.1/8'",
            "socks5.allow: \"10.0.0.1/8\"",
        ),
        ("listen = 1\nalow = 'a'", "did you mean allow?"),
        (
            "listen = 1\nuser = 'a'\npassword_file = '/nowhere/p'",
            "socks5.password_file: ",
        ),
    ] {
        // Something to forward, so that nothing else is wrong.
        let found = File::new(&format!("[socks5]\n{table}\n")).mistakes(&[("TS_EXPOSE", "22")]);
        assert_eq!(found.len(), 1, "{table}: {found:#?}");
        assert!(found[0].contains(wanted), "{table}: {found:#?}");
    }
    let twice = "socks5_addr = 1080\n[socks5]\nlisten = 1081\n";
    let found = File::new(twice).mistakes(&[]);
    assert!(
        found[0].contains("is set by socks5_addr already"),
        "{found:#?}"
    );
}
