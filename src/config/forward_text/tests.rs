//! Tests of the forms of a forward.

use std::net::IpAddr;

use proptest::prelude::*;

use super::*;

fn shown(forwards: Result<Vec<Forward>, ForwardError>) -> String {
    let forwards = forwards.unwrap();
    let forwards: Vec<String> = forwards.iter().map(Forward::to_string).collect();
    forwards.join(" ")
}

fn expose(text: &str) -> String {
    shown(Forward::expose(text))
}

fn connect(text: &str) -> String {
    shown(Forward::connect(text))
}

#[test]
fn an_expose_without_a_port_listens_on_the_targets_own() {
    assert_eq!(expose("22"), "22=127.0.0.1:22");
    assert_eq!(expose("22/tcp"), "22=127.0.0.1:22");
    assert_eq!(expose("53/udp"), "53/udp=127.0.0.1:53");
    assert_eq!(expose("10.0.0.5:3389"), "3389=10.0.0.5:3389");
    assert_eq!(expose("[::1]:80"), "80=[::1]:80");
    assert_eq!(expose("db:5432"), "5432=db:5432");
    assert_eq!(expose("80-81"), "80=127.0.0.1:80 81=127.0.0.1:81");
    assert_eq!(expose("db-1:80-81"), "80=db-1:80 81=db-1:81");
    assert_eq!(expose(" 22/tcp = 127.0.0.1:2222 "), "22=127.0.0.1:2222");
    for text in ["unix:/run/app.sock", "a:1|b:1", "unix:/a|unix:/b"] {
        assert_eq!(Forward::expose(text), Err(ForwardError::NoPort), "{text}");
    }
}

#[test]
fn a_connect_listens_on_loopback_unless_written_out() {
    for (text, shown) in [
        ("33389=rdp-host:3389", "127.0.0.1:33389=rdp-host:3389"),
        (":33389=rdp-host:3389", "127.0.0.1:33389=rdp-host:3389"),
        ("0.0.0.0:33389=rdp-host:3389", "0.0.0.0:33389=rdp-host:3389"),
        ("[::1]:1=[fd7a::2]:2", "[::1]:1=[fd7a::2]:2"),
        ("53/udp=dns-host:53", "127.0.0.1:53/udp=dns-host:53"),
        (
            "unix:/run/db.sock=db-host:5432",
            "unix:/run/db.sock=db-host:5432",
        ),
    ] {
        assert_eq!(connect(text), shown);
    }
}

#[test]
fn each_protocol_and_kind_of_target_reads_back_as_written() {
    for text in [
        "53/udp=127.0.0.1:53",
        "443/tls=127.0.0.1:8080",
        "443/tls=unix:/run/app.sock",
        "8080=unix:/run/app.sock",
        "8080=10.0.0.5:80|10.0.0.6:80",
        "8080=unix:/run/a.sock|[::1]:80|db:80",
    ] {
        assert_eq!(expose(text), text);
    }
    assert_eq!(expose("80 = a:1 | b:2"), "80=a:1|b:2");
    assert_eq!(connect("80=a:1|b:2"), "127.0.0.1:80=a:1|b:2");
}

#[test]
fn a_range_is_one_forward_for_each_port() {
    assert_eq!(
        expose("9000-9001/udp=a:1-2|b:3-4"),
        "9000/udp=a:1|b:3 9001/udp=a:2|b:4"
    );
    assert_eq!(
        connect("10.0.0.1:9000-9001=a:9000-9001"),
        "10.0.0.1:9000=a:9000 10.0.0.1:9001=a:9001"
    );
    assert_eq!(Forward::expose("1-1024=a:1-1024").unwrap().len(), 1024);
    for (text, why) in [
        ("1-1025=a:1-1025", "is a range of 1025 ports"),
        ("1-65535", "is a range of 65535 ports"),
        (
            "80-82=a:80-81",
            "listens on 3 ports and the target a:80-81 has 2",
        ),
        ("80-82=[::1]:80", "the target [::1]:80 has 1"),
        ("80=a:80-81", "listens on 1 ports"),
        ("80-81=unix:/run/a", "a Unix socket has no ports"),
        ("81-80", "range 81-80 ends before it starts"),
    ] {
        let error = Forward::expose(text).unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
}

#[test]
fn contradictions_are_refused_with_what_is_allowed() {
    for (text, why) in [
        ("443/tls=host:443", "/tls is for an expose"),
        ("unix:/run/a=unix:/run/b", "there are no unix: targets"),
        ("80=unix:/run/b", "there are no unix: targets"),
        ("unix:/run/a=host:1-2", "listens on 1 ports"),
        ("unix:/run/a/udp=", "target: has no port"),
    ] {
        let error = Forward::connect(text).unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
    let error = Forward::expose("53/udp=unix:/run/a").unwrap_err();
    assert!(error.to_string().contains("carries no /udp"), "{error}");
    let error = Forward::expose("53/sctp=a:1").unwrap_err();
    assert!(error.to_string().contains("\"sctp\" is no protocol"));
    let udp = Some(Protocol::Udp);
    let LocalText(socket) = "unix:/run/a".parse().unwrap();
    let error = forwards(socket, udp, "a:1".parse().unwrap()).unwrap_err();
    assert_eq!(error, ForwardError::Protocol(UNIX_UDP));
    let TailnetText(tls) = "53/tls".parse().unwrap();
    let error = forwards(tls, udp, "a:1".parse().unwrap()).unwrap_err();
    assert!(error.to_string().contains("contradict"), "{error}");
}

#[test]
fn malformed_forwards_name_the_wrong_side() {
    use ForwardError::*;
    assert!(matches!(Forward::expose("0=127.0.0.1:22"), Err(Listen(_))));
    assert!(matches!(Forward::expose("70000"), Err(Listen(_))));
    assert!(matches!(Forward::expose("22=127.0.0.1"), Err(Target(_))));
    assert!(matches!(Forward::expose("22="), Err(Target(_))));
    assert!(matches!(Forward::expose("22=a:1|"), Err(Target(_))));
    assert!(matches!(Forward::expose(""), Err(Empty)));
    assert!(matches!(Forward::connect("rdp-host:3389"), Err(NoLocal)));
    assert!(matches!(
        Forward::connect("x:1=rdp-host:3389"),
        Err(Local(_))
    ));
    assert!(matches!(Forward::connect("1=rdp-host"), Err(Target(_))));
    let many = format!("22={}", ["a:1"; 17].join("|"));
    assert!(matches!(Forward::expose(&many), Err(TooManyTargets)));
    assert!(Forward::expose(&many[..many.len() - 4]).is_ok());
}

fn target() -> impl Strategy<Value = Target> {
    let host = prop_oneof![
        any::<IpAddr>().prop_map(Host::Ip),
        "[a-z][a-z0-9_]{0,20}(\\.[a-z]([a-z0-9-]{0,10}[a-z0-9])?){0,3}\\.?".prop_map(Host::Name),
    ];
    (host, 1u16..).prop_map(|(host, port)| Target::Network { host, port })
}

fn forward(listen: Listen, targets: Vec<Target>) -> Forward {
    Forward {
        name: None,
        listen,
        targets,
        options: ForwardOptions::default(),
    }
}

fn targets() -> impl Strategy<Value = Vec<Target>> {
    proptest::collection::vec(target(), 1..4)
}

proptest! {
    #[test]
    fn an_expose_reads_back_as_shown(port in 1u16.., udp: bool, targets in targets()) {
        let protocol = if udp { Protocol::Udp } else { Protocol::Tls };
        let forward = forward(Listen::Tailnet { port, protocol }, targets);
        prop_assert_eq!(Forward::expose(&forward.to_string()), Ok(vec![forward]));
    }

    #[test]
    fn a_connect_reads_back_as_shown(
        ip in any::<IpAddr>(), port in any::<u16>(), udp: bool, targets in targets(),
    ) {
        let protocol = if udp { Protocol::Udp } else { Protocol::Tcp };
        let address = SocketAddr::new(ip, port);
        let forward = forward(Listen::Local { address, protocol }, targets);
        prop_assert_eq!(Forward::connect(&forward.to_string()), Ok(vec![forward]));
    }

    #[test]
    fn arbitrary_text_never_panics(text in "[\\[\\]:=/|,.0-9a-z%-]{0,40}|.*") {
        let _ = (Forward::expose(&text), Forward::connect(&text));
    }
}

#[test]
fn a_service_is_exposed_over_tcp_and_nothing_else() {
    let web = "svc:web:443=127.0.0.1:8080";
    assert_eq!(expose(web), web);
    assert_eq!(expose("svc:web:443/tcp=127.0.0.1:8080"), web);
    assert_eq!(expose("svc:web:80"), "svc:web:80=127.0.0.1:80");
    assert_eq!(
        expose("svc:web:80-81=a:1-2"),
        "svc:web:80=a:1 svc:web:81=a:2"
    );
    assert_eq!(expose("svc:80"), "80=svc:80", "a host may be called svc");
    for text in ["svc:web:53/udp=127.0.0.1:53", "svc:web:443/tls=127.0.0.1:1"] {
        let refused = Forward::expose(text);
        assert!(
            matches!(refused, Err(ForwardError::Protocol(_))),
            "{text} gives {refused:?}"
        );
    }
    let one = |text: &str| Forward::expose(text).unwrap().remove(0);
    let (web, node) = (one(web), one("443=127.0.0.1:8080"));
    assert_eq!(web.kind(), "expose");
    assert!(web.collides_with(&one("svc:web:443=a:1")));
    assert!(!web.collides_with(&one("svc:db:443=a:1")) && !web.collides_with(&node));
}
