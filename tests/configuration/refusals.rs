//! Values that are refused, each in the words that help.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use tailport::config::variables::VARIABLES;
use tailport::config::{self, Arguments};

use crate::{environment, good, mistakes, refused};

#[test]
fn zero_and_negative_timeouts_are_refused_where_they_make_no_sense() {
    for name in ["TS_DIAL_TIMEOUT", "TS_TIMEOUT"] {
        for text in ["0", "0s", "0ms"] {
            assert!(refused(&[(name, text)], name, text).contains("must be more than 0"));
        }
        for text in ["-5s", "-1", "-0.5s"] {
            assert!(refused(&[(name, text)], name, text).contains("must not be negative"));
        }
    }
}

#[test]
fn timeouts_that_may_be_zero_may_not_be_negative() {
    for name in [
        "TS_LOGIN_TIMEOUT",
        "TS_IDLE_TIMEOUT",
        "TS_DRAIN_TIMEOUT",
        "TS_KEEPALIVE",
    ] {
        for text in ["0", "0s", "1m"] {
            good(&[(name, text)]);
        }
        assert!(refused(&[(name, "-1s")], name, "-1s").contains("must not be negative"));
    }
}

#[test]
fn a_duration_without_a_unit_is_told_to_add_one() {
    assert!(refused(&[("TS_TIMEOUT", "30")], "TS_TIMEOUT", "30").contains("no unit"));
}

#[test]
fn malformed_and_enormous_durations_are_refused() {
    for text in [
        "soon",
        "5 parsecs",
        "1h-2m",
        "99999999999999999999s",
        "31d",
        "584942417355y",
        "1us",
    ] {
        refused(&[("TS_IDLE_TIMEOUT", text)], "TS_IDLE_TIMEOUT", text);
    }
}

#[test]
fn zero_negative_and_malformed_connection_counts_are_refused() {
    for text in ["0", "-1", "1.5", "many", "99999999999"] {
        refused(&[("TS_MAX_CONNECTIONS", text)], "TS_MAX_CONNECTIONS", text);
    }
}

#[test]
fn malformed_urls_and_names_are_refused() {
    for text in [
        "headscale.example",
        "ftp://a",
        "http://",
        "http://a:99999",
        "https://a?b",
    ] {
        refused(&[("TS_CONTROL_URL", text)], "TS_CONTROL_URL", text);
    }
    for text in ["-a", "a_b", "a.b", "a b"] {
        refused(&[("TS_HOSTNAME", text)], "TS_HOSTNAME", text);
    }
}

#[test]
fn malformed_switches_limits_and_log_settings_are_refused() {
    for (name, text) in [
        ("TS_EPHEMERAL", "maybe"),
        ("TS_LOG_UPLOAD", "2"),
        ("TS_MEMORY_LIMIT", "384"),
        ("TS_MEMORY_LIMIT", "lots"),
        ("TS_LOG", "verbose"),
        ("TS_LOG_FORMAT", "xml"),
        ("TS_ADMIN_ADDR", "on"),
        ("TS_ADMIN_ADDR", "tailnet:0"),
        ("TS_SOCKS5_ADDR", "tailnet:1080"),
        ("TS_TAGS", "web"),
        ("TS_TAGS", "tag:a,tag:a"),
    ] {
        refused(&[(name, text)], name, text);
    }
}

#[test]
fn every_mistake_is_reported_in_one_run() {
    let found = mistakes(&[
        ("TS_TIMEOUT", "5"),
        ("TS_DIAL_TIMEOUT", "0"),
        ("TS_MAX_CONNECTIONS", "none"),
        ("TS_CONTROL_URL", "x"),
        ("TS_LISTEN", "22"),
        ("TS_EXPOSE", "x"),
        ("TS_AUTHKEY_FILE", "/nonexistent/key"),
    ]);
    for name in [
        "TS_TIMEOUT",
        "TS_DIAL_TIMEOUT",
        "TS_MAX_CONNECTIONS",
        "TS_CONTROL_URL",
        "TS_LISTEN",
        "TS_EXPOSE",
    ] {
        assert_eq!(
            found
                .iter()
                .filter(|line| line.starts_with(&format!("{name}: ")))
                .count(),
            1,
            "{name}"
        );
    }
    assert!(
        found
            .iter()
            .any(|line| line.starts_with("TS_AUTHKEY_FILE: \"/nonexistent/key\""))
    );
    assert_eq!(found.len(), 7, "{found:#?}");
}

#[test]
fn an_empty_value_is_a_mistake_of_every_variable() {
    for variable in VARIABLES {
        let found = mistakes(&[(variable.name, "")]);
        let prefix = format!("{}: is empty", variable.name);
        assert!(
            found.iter().any(|line| line.starts_with(&prefix)),
            "{}: {found:?}",
            variable.name
        );
    }
}

#[test]
fn a_value_that_is_not_utf8_is_a_mistake_of_every_variable() {
    for variable in VARIABLES {
        let mut environment = environment(&[("TS_CONNECT", "80=a:1"), ("TS_EXPOSE", "22")]);
        environment.retain(|(name, _)| name != variable.name);
        environment.push((variable.name.into(), OsString::from_vec(vec![b'a', 0xff])));
        let problems = config::parse(&Arguments::default(), environment).unwrap_err();
        let found = problems.to_string();
        assert!(
            found.contains(&format!("{}: is not valid UTF-8", variable.name)),
            "{found}"
        );
    }
}

#[test]
fn a_service_in_the_place_of_something_else_is_refused() {
    for (pairs, name, whose) in [
        (
            &[("TS_CONNECT", "80=a:1"), ("TS_ADMIN_ADDR", "80")][..],
            "TS_ADMIN_ADDR",
            "TS_CONNECT",
        ),
        (
            &[("TS_EXPOSE", "80"), ("TS_ADMIN_ADDR", "tailnet:80")],
            "TS_ADMIN_ADDR",
            "TS_EXPOSE",
        ),
        (
            &[
                ("TS_EXPOSE", "1"),
                ("TS_ADMIN_ADDR", "80"),
                ("TS_SOCKS5_ADDR", "0.0.0.0:80"),
            ],
            "TS_SOCKS5_ADDR",
            "TS_ADMIN_ADDR",
        ),
    ] {
        let found = mistakes(pairs);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].starts_with(name), "{}", found[0]);
        assert!(
            found[0].contains(&format!("of {whose}; allowed: ")),
            "{}",
            found[0]
        );
    }
    good(&[("TS_ADMIN_ADDR", "80"), ("TS_SOCKS5_ADDR", "81")]);
    good(&[("TS_ADMIN_ADDR", "tailnet:80"), ("TS_SOCKS5_ADDR", "80")]);
    good(&[("TS_ADMIN_ADDR", "0"), ("TS_SOCKS5_ADDR", "0")]);
}

#[test]
fn a_url_is_no_state_directory() {
    let url = "https://headscale.example";
    assert!(refused(&[("TS_STATE_DIR", url)], "TS_STATE_DIR", url).contains("is a URL"));
}
