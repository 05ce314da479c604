//! Keys where they do not belong: refused as bad configuration, and not shown again.

use std::fs;

use crate::search::{KEY, is_clean};
use crate::support::home::Home;
use crate::support::patience::PATIENCE;
use crate::support::settings::Settings;

fn settings() -> Settings {
    Settings::bare()
        .set("TS_CONTROL_URL", "http://127.0.0.1:9")
        .set("TS_TIMEOUT", "1s")
        .set("TS_LOG", "trace")
}

#[track_caller]
fn is_refused(settings: &Settings) {
    for verb in [&[][..], &["check"]] {
        let mut node = settings.clone().arguments(verb).spawn();
        assert_eq!(node.wait_code(PATIENCE), 64, "{}", node.log());
        assert!(!node.stderr().lines().is_empty());
        is_clean(&node, KEY);
        assert!(!node.home().state().exists());
    }
}

#[test]
fn in_a_variable() {
    let good = settings().set("TS_EXPOSE", "22");
    for (name, value) in [
        ("TS_AUTHKEY_FILE", KEY.to_owned()),
        ("TS_AUTHKEY_FILE", format!("/nonexistent/{KEY}")),
        ("TS_AUTHKEY", format!("{KEY}\n{KEY}")),
        ("TS_AUTHKEY", format!("{KEY} ")),
        ("TS_CLIENT_SECRET", format!("{KEY} ")),
        ("TS_CLIENT_SECRET", KEY.to_owned()), // without tags
        ("TS_CLIENT_SECRET_FILE", KEY.to_owned()),
        ("TS_TAGS", format!("tag:{KEY}")),
        ("TS_CONFIG", KEY.to_owned()),
        ("TS_CONFIG", format!("/nonexistent/{KEY}")),
        ("TS_ADMIN_ADDR", format!("{KEY}:80")),
        ("TS_SOCKS5_ADDR", KEY.to_owned()),
        ("TS_HOSTNAME", KEY.to_owned()),
        ("TS_STATE_DIR", KEY.to_owned()),
        ("TS_LOG", KEY.to_owned()),
        ("TS_LOG_FORMAT", KEY.to_owned()),
        ("TS_EPHEMERAL", KEY.to_owned()),
        ("TS_TIMEOUT", KEY.to_owned()),
        ("TS_MAX_CONNECTIONS", KEY.to_owned()),
        ("TS_EXPOSE", KEY.to_owned()),
        ("TS_EXPOSE", format!("22={KEY}:22")),
        ("TS_CONNECT", format!("2222={KEY}:22")),
        ("TS_CONTROL_URL", format!("https://{KEY}@control.example")),
        (
            "TS_CONTROL_URL",
            format!("https://user:{KEY}@control.example/"),
        ),
        (
            "TS_CONTROL_URL",
            format!("https://control.example/?key={KEY}"),
        ),
        ("TS_CONTROL_URL", format!("https://control.example/#{KEY}")),
        ("TS_CONTROL_URL", format!("https://control.example/{KEY}")),
        ("TS_CONTROL_URL", format!("https://{KEY}.control.example")),
    ] {
        is_refused(&good.clone().set(name, value));
    }
}

#[test]
fn in_a_file() {
    let home = Home::new();
    let file = |content: &str| {
        let path = home.write_secret("key", content);
        settings()
            .set("TS_EXPOSE", "22")
            .set("TS_AUTHKEY_FILE", path)
    };
    for content in [
        format!("{KEY}\n{KEY}"),
        format!("key: {KEY}"),
        KEY.repeat(100),
    ] {
        is_refused(&file(&content));
    }
    let mut open = file(KEY);
    let path = home.path().join("key");
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    open = open.set("TS_HOSTNAME", "open-to-others");
    is_refused(&open);
}

#[test]
fn in_a_configuration_file() {
    let home = Home::new();
    for text in [
        format!("authkey = '{KEY}'"),
        format!("client_secret = '{KEY}'"),
        format!("hostname = '{KEY}'"),
        format!("authkey_file = '{KEY}'"),
        format!("{KEY} = 1"),
        KEY.to_owned(),
        format!("hostname = {KEY}"),
        format!("hostname = 'web'\n# {KEY}\n= '{KEY}'"),
        format!("[[expose]]\nname = '{KEY}'\ntarget = 'a:1'"),
        format!("[[expose]]\ntarget = '{KEY}:22'"),
        format!("[[expose]]\n{KEY} = 1\ntarget = 'a:1'"),
        format!("[[expose]]\ntarget = 'a:1'\nallow = ['tag:{KEY}']"),
        format!("[[connect]]\nlisten = 'unix:/run/{KEY}'\ntarget = 'a:1'"),
    ] {
        let file = home.write_secret("tailport.toml", &text);
        let settings = settings().set("TS_EXPOSE", "23").set("TS_CONFIG", file);
        is_refused(&settings);
    }
}

#[test]
fn in_the_command_line() {
    let assigned = format!("--authkey={KEY}");
    let file = format!("--authkey-file={KEY}");
    let name = format!("--hostname={KEY}");
    let flag = format!("--{KEY}");
    let pair = format!("22={KEY}");
    for arguments in [
        &[KEY][..],
        &["run", KEY],
        &["expose", KEY],
        &["expose", &pair],
        &["connect", KEY],
        &["--authkey", KEY, "expose", "22"],
        &[&assigned, "expose", "22"],
        &[&file, "expose", "22"],
        &[&name, "expose", "22"],
        &["--hostname", KEY, "expose", "22"],
        &["--state-dir", KEY, "expose", "22"],
        &[&flag],
        &["check", KEY],
    ] {
        let mut node = settings().arguments(arguments).spawn();
        assert_eq!(
            node.wait_code(PATIENCE),
            64,
            "{arguments:?}: {}",
            node.log()
        );
        is_clean(&node, KEY);
    }
}

#[test]
fn in_the_name_of_a_variable_it_is_only_a_warning_without_it() {
    let settings = settings()
        .set("TS_EXPOSE", "22")
        .set(&format!("TS_{KEY}"), "1")
        .arguments(&["check"]);
    let mut node = settings.spawn();
    assert_eq!(node.wait_code(PATIENCE), 0);
    node.wait_for_text("unknown variable TS_REDACTED");
    is_clean(&node, KEY);
}
