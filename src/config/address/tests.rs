//! Tests of the address forms.

use super::*;

fn target(text: &str) -> Result<String, AddressError> {
    text.parse::<Target>().map(|target| target.to_string())
}

fn local(text: &str) -> Result<String, AddressError> {
    text.parse::<LocalAddress>()
        .map(|address| address.0.to_string())
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
    assert!(matches!(
        target("unix:/run/app.sock"),
        Err(AddressError::NotSupported(_))
    ));
}

#[test]
fn only_this_machine_is_loopback() {
    for text in [
        "127.0.0.1:1",
        "127.9.9.9:1",
        "[::1]:1",
        "localhost:1",
        "LOCALHOST.:1",
        "[::ffff:127.0.0.1]:1",
    ] {
        assert!(text.parse::<Target>().unwrap().is_loopback(), "{text}");
    }
    for text in ["10.0.0.5:1", "0.0.0.0:1", "localhost.example:1", "host:1"] {
        assert!(!text.parse::<Target>().unwrap().is_loopback(), "{text}");
    }
}

#[test]
fn a_local_address_is_loopback_unless_written_out() {
    for text in ["33389", ":33389", "localhost:33389", "127.0.0.1:33389"] {
        assert_eq!(local(text).as_deref(), Ok("127.0.0.1:33389"));
    }
    for text in [
        "0.0.0.0:80",
        "[::]:80",
        "10.1.2.3:80",
        "[::1]:80",
        "127.0.0.1:0",
    ] {
        assert_eq!(local(text).as_deref(), Ok(text));
    }
}

#[test]
fn malformed_local_addresses_are_refused() {
    for text in [
        "",
        ":",
        "host",
        "host:80",
        "*:80",
        "::1:80",
        "1.2.3.4",
        "80:1.2.3.4",
        "65536",
        "00",
        "a:b:c",
    ] {
        assert!(local(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_tailnet_port_is_a_number_with_or_without_its_protocol() {
    for text in ["22", ":22", "22/tcp", ":22/tcp"] {
        assert_eq!(text.parse(), Ok(TailnetPort(22)));
    }
    for text in ["53/udp", "443/tls"] {
        assert!(
            matches!(
                text.parse::<TailnetPort>(),
                Err(AddressError::NotSupported(_))
            ),
            "{text}"
        );
    }
    for text in [
        "",
        ":",
        "0",
        "65536",
        "22/sctp",
        "22/tcp/tcp",
        "1.2.3.4:22",
        "::22",
    ] {
        assert!(text.parse::<TailnetPort>().is_err(), "{text:?}");
    }
}
