//! Tests of the address forms.

use super::*;

/// The first target that a text names, as shown.
fn target(text: &str) -> Result<String, AddressError> {
    let target = match text.parse()? {
        TargetText::Network(host, ports) => Target::Network {
            host,
            port: ports.each().next().unwrap(),
        },
        TargetText::Unix(path) => Target::Unix(path),
    };
    Ok(target.to_string())
}

#[test]
fn targets_of_every_form_read_back_as_written() {
    for text in [
        "127.0.0.1:22",
        "[::1]:22",
        "[fd7a::1]:65535",
        "rdp-host:3389",
        "a.b.example.:1",
        "my_db:5432",
        "unix:/run/app.sock",
    ] {
        assert_eq!(target(text).as_deref(), Ok(text));
    }
}

#[test]
fn malformed_targets_have_their_reasons() {
    assert_eq!(target("host"), Err(AddressError::NoPort));
    assert_eq!(target("[::1]"), Err(AddressError::NoPort));
    assert_eq!(target(":22"), Err(AddressError::NoHost));
    assert_eq!(target("::1:22"), Err(AddressError::NeedsBrackets));
    assert_eq!(target("[::1:22"), Err(AddressError::NeedsBrackets));
    assert_eq!(
        target("host:"),
        Err(AddressError::PortNotANumber("".into()))
    );
    assert_eq!(
        target("host:ssh"),
        Err(AddressError::PortNotANumber("ssh".into()))
    );
    assert_eq!(
        target("host:+22"),
        Err(AddressError::PortNotANumber("+22".into()))
    );
    assert_eq!(
        target("host:-1"),
        Err(AddressError::PortNotANumber("-1".into()))
    );
    assert_eq!(
        target("host:0"),
        Err(AddressError::PortOutOfRange("0".into()))
    );
    assert_eq!(
        target("host:65536"),
        Err(AddressError::PortOutOfRange("65536".into()))
    );
    assert_eq!(
        target("[1.2.3.4]:22"),
        Err(AddressError::NotIpv6("1.2.3.4".into()))
    );
    for host in [
        "10.0.0.256",
        "1.2.3",
        "a b",
        "-a",
        "a..b",
        "hôte",
        "a/b",
        "",
        "*",
    ] {
        let result = target(&format!("{host}:22"));
        assert!(
            matches!(result, Err(AddressError::BadHost(_) | AddressError::NoHost)),
            "{host:?}: {result:?}"
        );
    }
    for text in ["unix:", "unix:app.sock", "unix:22"] {
        assert!(
            matches!(target(text), Err(AddressError::PathNotAbsolute(_))),
            "{text}"
        );
    }
}

#[test]
fn only_this_machine_is_loopback() {
    let loopback = |text: &str| host_of(text).unwrap().is_loopback();
    for text in [
        "127.0.0.1",
        "127.9.9.9",
        "[::1]",
        "localhost",
        "LOCALHOST.",
        "[::ffff:127.0.0.1]",
    ] {
        assert!(loopback(text), "{text}");
    }
    for text in ["10.0.0.5", "0.0.0.0", "localhost.example", "host"] {
        assert!(!loopback(text), "{text}");
    }
}

#[test]
fn a_range_is_of_ports_and_not_of_names() {
    assert_eq!(target("host-1:9000-9010").as_deref(), Ok("host-1:9000"));
    assert!(matches!(
        target("host:9010-9000"),
        Err(AddressError::Backwards(_))
    ));
}
