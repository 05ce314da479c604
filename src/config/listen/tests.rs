//! Tests of the listening sides.

use super::*;

fn tailnet(text: &str) -> Result<ListenText, AddressError> {
    text.parse().map(|TailnetText(listen)| listen)
}

fn local(text: &str) -> Result<ListenText, AddressError> {
    text.parse().map(|LocalText(listen)| listen)
}

/// What an address of this machine is without a protocol.
fn at(address: &str, port: &str) -> Result<ListenText, AddressError> {
    let ports = if port == "0" {
        Ports::CHOSEN
    } else {
        port.parse().unwrap()
    };
    Ok(ListenText::Local(address.parse().unwrap(), ports, None))
}

#[test]
fn a_local_address_is_loopback_unless_written_out() {
    for text in ["33389", ":33389", "localhost:33389", "127.0.0.1:33389"] {
        assert_eq!(local(text), at("127.0.0.1", "33389"), "{text}");
    }
    assert_eq!(local("0.0.0.0:80"), at("0.0.0.0", "80"));
    assert_eq!(local("[::]:80"), at("::", "80"));
    assert_eq!(local("10.1.2.3:80-90"), at("10.1.2.3", "80-90"));
    assert_eq!(local("[::1]:80"), at("::1", "80"));
    assert_eq!(local("127.0.0.1:0"), at("127.0.0.1", "0"));
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
        "0-1",
        "a:b:c",
        "80/sctp",
        "80/",
        "/tcp",
        "80/tcp/udp",
        "unix:relative",
        "unix:/a b",
    ] {
        assert!(local(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_tailnet_port_is_a_number_or_range_with_or_without_its_protocol() {
    for (text, ports, protocol) in [
        ("22", "22", None),
        (":22", "22", None),
        ("22/tcp", "22", Some(Protocol::Tcp)),
        (":22/tcp", "22", Some(Protocol::Tcp)),
        ("53/udp", "53", Some(Protocol::Udp)),
        ("443/tls", "443", Some(Protocol::Tls)),
        ("9000-9010/udp", "9000-9010", Some(Protocol::Udp)),
    ] {
        let wanted = ListenText::Tailnet(ports.parse().unwrap(), protocol);
        assert_eq!(tailnet(text), Ok(wanted), "{text}");
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
        "unix:/run/a",
    ] {
        assert!(tailnet(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_port_of_a_service_names_the_service() {
    let ports = "9000-9010".parse().unwrap();
    let service = "svc:web".parse().unwrap();
    let wanted = ListenText::Service(service, ports, Some(Protocol::Tcp));
    assert_eq!(tailnet("svc:web:9000-9010/tcp"), Ok(wanted));
    for text in [
        "svc:",
        "svc:web",
        "svc::80",
        "svc:-a:80",
        "svc:a.b:80",
        "svc:web:",
        "svc:web:0",
        "svc:web:http",
        "svc:web:80:81",
        "SVC:web:80",
    ] {
        assert!(tailnet(text).is_err(), "{text:?}");
    }
    assert!(local("svc:web:80").is_err());
}
