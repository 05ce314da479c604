//! Tests of the forms of a forward.

use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::config::Host;

fn expose(text: &str) -> String {
    Forward::expose(text).unwrap().to_string()
}

fn connect(text: &str) -> String {
    Forward::connect(text).unwrap().to_string()
}

#[test]
fn an_expose_without_a_port_listens_on_the_targets_own() {
    assert_eq!(expose("22"), "22=127.0.0.1:22");
    assert_eq!(expose("22/tcp"), "22=127.0.0.1:22");
    assert_eq!(expose("10.0.0.5:3389"), "3389=10.0.0.5:3389");
    assert_eq!(expose("[::1]:80"), "80=[::1]:80");
    assert_eq!(expose("db:5432"), "5432=db:5432");
    assert_eq!(expose(" 22/tcp = 127.0.0.1:2222 "), "22=127.0.0.1:2222");
}

#[test]
fn a_connect_listens_on_loopback_unless_written_out() {
    assert_eq!(
        connect("33389=rdp-host:3389"),
        "127.0.0.1:33389=rdp-host:3389"
    );
    assert_eq!(
        connect(":33389=rdp-host:3389"),
        "127.0.0.1:33389=rdp-host:3389"
    );
    assert_eq!(
        connect("0.0.0.0:33389=rdp-host:3389"),
        "0.0.0.0:33389=rdp-host:3389"
    );
    assert_eq!(connect("[::1]:1=[fd7a::2]:2"), "[::1]:1=[fd7a::2]:2");
}

#[test]
fn the_ready_line_has_its_three_texts() {
    let forward = Forward::expose("22=127.0.0.1:2222").unwrap();
    assert_eq!(
        (forward.kind(), forward.listen().as_str()),
        ("expose", "22/tcp")
    );
    assert_eq!(forward.target().to_string(), "127.0.0.1:2222");
    let forward = Forward::connect("33389=rdp-host:3389").unwrap();
    assert_eq!(
        (forward.kind(), forward.listen().as_str()),
        ("connect", "127.0.0.1:33389")
    );
    assert_eq!(forward.target().to_string(), "rdp-host:3389");
}

#[test]
fn forms_of_later_versions_are_said_to_be_unsupported() {
    for text in [
        "53/udp=127.0.0.1:53",
        "443/tls=127.0.0.1:8080",
        "8080=unix:/run/app.sock",
        "unix:/run/a",
        "53/udp",
    ] {
        let error = Forward::expose(text).unwrap_err().to_string();
        assert!(
            error.contains("not supported by this version"),
            "{text}: {error}"
        );
    }
}

#[test]
fn malformed_forwards_name_the_wrong_side() {
    use ForwardError::*;
    assert!(matches!(Forward::expose("0=127.0.0.1:22"), Err(Listen(_))));
    assert!(matches!(Forward::expose("70000"), Err(Listen(_))));
    assert!(matches!(Forward::expose("22=127.0.0.1"), Err(Target(_))));
    assert!(matches!(Forward::expose("22="), Err(Target(_))));
    assert!(matches!(Forward::expose(""), Err(Empty)));
    assert!(matches!(Forward::connect("rdp-host:3389"), Err(NoLocal)));
    assert!(matches!(
        Forward::connect("x:1=rdp-host:3389"),
        Err(Local(_))
    ));
    assert!(matches!(Forward::connect("1=rdp-host"), Err(Target(_))));
}

#[test]
fn two_forwards_in_one_place_collide() {
    let collide = |a: &str, b: &str| {
        Forward::connect(a)
            .unwrap()
            .collides_with(&Forward::connect(b).unwrap())
    };
    assert!(collide("80=a:1", "127.0.0.1:80=b:2"));
    assert!(collide("80=a:1", "0.0.0.0:80=b:2"));
    assert!(collide("[::]:80=a:1", "80=b:2"));
    assert!(!collide("80=a:1", "81=b:2"));
    assert!(!collide("80=a:1", "[::1]:80=b:2"));
    assert!(!collide("0=a:1", "0=b:2"));
    let expose = Forward::expose("80").unwrap();
    assert!(expose.collides_with(&Forward::expose("80=db:1").unwrap()));
    assert!(!expose.collides_with(&Forward::connect("80=a:1").unwrap()));
}

fn targets() -> impl Strategy<Value = Target> {
    let host = prop_oneof![
        any::<IpAddr>().prop_map(Host::Ip),
        "[a-z][a-z0-9_]{0,20}(\\.[a-z]([a-z0-9-]{0,10}[a-z0-9])?){0,3}\\.?".prop_map(Host::Name),
    ];
    (host, 1u16..).prop_map(|(host, port)| Target::new(host, port))
}

proptest! {
    #[test]
    fn an_expose_reads_back_as_shown(listen_port in 1u16.., target in targets()) {
        let forward = Forward::Expose { listen_port, target };
        prop_assert_eq!(Forward::expose(&forward.to_string()), Ok(forward));
    }

    #[test]
    fn a_connect_reads_back_as_shown(ip in any::<IpAddr>(), port in any::<u16>(), target in targets()) {
        let forward = Forward::Connect { listen: SocketAddr::new(ip, port), target };
        prop_assert_eq!(Forward::connect(&forward.to_string()), Ok(forward));
    }

    #[test]
    fn arbitrary_text_never_panics(text in "[\\[\\]:=/,.0-9a-z%]{0,40}|.*") {
        let _ = (Forward::expose(&text), Forward::connect(&text));
    }
}
