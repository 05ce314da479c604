//! Forwards: lists, short forms, and what is wrong with them.

use crate::{forwards, mistakes, refused};

#[test]
fn malformed_ports_and_addresses_of_forwards_are_refused() {
    for (name, text) in [
        ("TS_EXPOSE", "0=127.0.0.1:22"),
        ("TS_EXPOSE", "65536=127.0.0.1:22"),
        ("TS_EXPOSE", "ssh=127.0.0.1:22"),
        ("TS_EXPOSE", "22=127.0.0.1"),
        ("TS_EXPOSE", "22=127.0.0.256:22"),
        ("TS_EXPOSE", "22=::1:22"),
        ("TS_CONNECT", "rdp-host:3389"),
        ("TS_CONNECT", "70000=rdp-host:3389"),
        ("TS_CONNECT", "1.2.3:80=rdp-host:3389"),
        ("TS_CONNECT", "33389=rdp-host:0"),
    ] {
        let found = mistakes(&[(name, text)]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with(&format!("{name}: {text:?}: ")),
            "{}",
            found[0]
        );
        assert!(found[0].contains("; allowed: "), "{}", found[0]);
    }
}

#[test]
fn every_bad_item_of_a_list_is_named() {
    let found = mistakes(&[("TS_EXPOSE", "22,x=1,80=db,,443")]);
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(
        found[0].contains("\"x=1\"")
            && found[1].contains("\"80=db\"")
            && found[2].contains("is empty")
    );
}

#[test]
fn protocols_sockets_ranges_and_several_targets_are_forwarded() {
    let made = forwards(&[
        (
            "TS_EXPOSE",
            "53=ns:53,53/udp=ns:53,443/tls=127.0.0.1:8080,8080=unix:/run/app.sock|a:80,90-91",
        ),
        (
            "TS_CONNECT",
            "53/udp=dns-host:53,unix:/run/db.sock=db-host:5432",
        ),
    ]);
    assert_eq!(
        made,
        [
            "expose 53=ns:53",
            "expose 53/udp=ns:53",
            "expose 443/tls=127.0.0.1:8080",
            "expose 8080=unix:/run/app.sock|a:80",
            "expose 90=127.0.0.1:90",
            "expose 91=127.0.0.1:91",
            "connect 127.0.0.1:53/udp=dns-host:53",
            "connect unix:/run/db.sock=db-host:5432",
        ]
    );
}

#[test]
fn a_contradiction_is_refused_with_what_is_allowed() {
    for (name, text, why) in [
        ("TS_EXPOSE", "53/udp=unix:/run/a", "carries no /udp"),
        ("TS_EXPOSE", "unix:/run/a", "has no listening port"),
        ("TS_EXPOSE", "80-90=a:80-89", "write ranges of one length"),
        ("TS_CONNECT", "443/tls=a:443", "/tls is for an expose"),
        ("TS_CONNECT", "80=unix:/run/a", "no unix: targets"),
    ] {
        let found = mistakes(&[(name, text)]);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(
            found[0].starts_with(&format!("{name}: {text:?}: ")),
            "{}",
            found[0]
        );
        assert!(
            found[0].contains(why) && found[0].contains("; allowed: "),
            "{}",
            found[0]
        );
    }
}

#[test]
fn more_forwards_than_any_node_should_have_are_refused_once() {
    assert_eq!(forwards(&[("TS_EXPOSE", "1-1024")]).len(), 1024);
    let found = mistakes(&[
        ("TS_EXPOSE", "1-1024,2000,3000-3500"),
        ("TS_CONNECT", "1-9=a:1-9"),
    ]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains("more than 1024 forwards"), "{}", found[0]);
}

#[test]
fn lists_of_forwards_are_read_in_order() {
    let found = forwards(&[
        ("TS_EXPOSE", "22=127.0.0.1:2222, 3389=10.0.0.5:3389"),
        (
            "TS_CONNECT",
            "127.0.0.1:33389=rdp-host:3389,0.0.0.0:80=[fd7a::2]:80,8022=h:22",
        ),
    ]);
    assert_eq!(
        found,
        [
            "expose 22=127.0.0.1:2222",
            "expose 3389=10.0.0.5:3389",
            "connect 127.0.0.1:33389=rdp-host:3389",
            "connect 0.0.0.0:80=[fd7a::2]:80",
            "connect 127.0.0.1:8022=h:22",
        ]
    );
}

#[test]
fn two_forwards_on_one_port_are_refused() {
    for pairs in [
        &[("TS_EXPOSE", "22,22=db:22")][..],
        &[
            ("TS_EXPOSE", "22"),
            ("TS_TARGET", "10.0.0.5:22"),
            ("TS_LISTEN", "22"),
        ],
        &[("TS_CONNECT", "80=a:1,127.0.0.1:80=b:2")],
        &[("TS_CONNECT", "80=a:1,0.0.0.0:80=b:2")],
        &[
            ("TS_CONNECT", "80=a:1"),
            ("TS_TARGET", "b:1"),
            ("TS_LOCAL_ADDR", ":80"),
        ],
    ] {
        let found = mistakes(pairs);
        assert!(
            found.len() == 1 && found[0].contains("listens on"),
            "{found:?}"
        );
    }
    forwards(&[("TS_EXPOSE", "80"), ("TS_CONNECT", "80=a:1,[::1]:80=b:1")]);
}

#[test]
fn nothing_to_forward_is_a_mistake_that_says_what_to_set() {
    let found = mistakes(&[]);
    assert_eq!(found.len(), 1);
    for name in ["TS_EXPOSE", "TS_CONNECT", "TS_TARGET"] {
        assert!(found[0].contains(name), "{}", found[0]);
    }
}

#[test]
fn a_socks5_proxy_is_something_to_do_without_a_forward() {
    assert!(forwards(&[("TS_SOCKS5_ADDR", "1080")]).is_empty());
    assert_eq!(mistakes(&[("TS_SOCKS5_ADDR", "off")]).len(), 1);
}

#[test]
fn a_local_target_alone_is_exposed_on_its_own_port() {
    assert_eq!(
        forwards(&[("TS_TARGET", "127.0.0.1:22")]),
        ["expose 22=127.0.0.1:22"]
    );
    assert_eq!(
        forwards(&[("TS_TARGET", "localhost:22")]),
        ["expose 22=localhost:22"]
    );
    assert_eq!(
        forwards(&[("TS_TARGET", "[::1]:22")]),
        ["expose 22=[::1]:22"]
    );
}

#[test]
fn a_target_elsewhere_alone_asks_which_way_is_meant() {
    for text in ["10.0.0.5:3389", "rdp-host:3389", "100.64.0.1:22"] {
        let found = mistakes(&[("TS_TARGET", text)]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].contains("TS_LISTEN") && found[0].contains("TS_LOCAL_ADDR"),
            "{}",
            found[0]
        );
    }
}

#[test]
fn targets_alone_that_tell_no_port_ask_for_it() {
    for text in ["unix:/run/app.sock", "127.0.0.1:80|127.0.0.1:81"] {
        let found = mistakes(&[("TS_TARGET", text)]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("set TS_LISTEN"), "{}", found[0]);
    }
}

#[test]
fn the_short_forms_make_one_forward() {
    let target = ("TS_TARGET", "10.0.0.5:3389");
    for listen in ["13389", ":13389"] {
        assert_eq!(
            forwards(&[target, ("TS_LISTEN", listen)]),
            ["expose 13389=10.0.0.5:3389"]
        );
    }
    for local in ["33389", ":33389", "127.0.0.1:33389"] {
        let made = forwards(&[target, ("TS_LOCAL_ADDR", local)]);
        assert_eq!(made, ["connect 127.0.0.1:33389=10.0.0.5:3389"]);
    }
    let made = forwards(&[("TS_TARGET", "unix:/run/a"), ("TS_LISTEN", "443/tls")]);
    assert_eq!(made, ["expose 443/tls=unix:/run/a"]);
    let made = forwards(&[("TS_TARGET", "ns:53"), ("TS_LOCAL_ADDR", "53/udp")]);
    assert_eq!(made, ["connect 127.0.0.1:53/udp=ns:53"]);
    let made = forwards(&[("TS_TARGET", "127.0.0.1:1"), ("TS_LOCAL_ADDR", "0.0.0.0:2")]);
    assert_eq!(made, ["connect 0.0.0.0:2=127.0.0.1:1"]);
}

#[test]
fn short_forms_that_contradict_or_lack_a_target_are_refused() {
    let both = [
        ("TS_TARGET", "a:1"),
        ("TS_LISTEN", "1"),
        ("TS_LOCAL_ADDR", ":2"),
    ];
    let found = mistakes(&both);
    assert!(
        found.len() == 1 && found[0].starts_with("TS_LISTEN and TS_LOCAL_ADDR: "),
        "{found:?}"
    );
    refused(&[("TS_LISTEN", "22")], "TS_LISTEN", "22");
    refused(&[("TS_LOCAL_ADDR", ":22")], "TS_LOCAL_ADDR", ":22");
    let found = mistakes(&[("TS_TARGET", "a:1"), ("TS_LISTEN", "x")]);
    assert!(
        found.len() == 1 && found[0].starts_with("TS_LISTEN: \"x\""),
        "{found:?}"
    );
}

#[test]
fn a_service_is_written_alike_everywhere() {
    let told = ["expose svc:web:443=127.0.0.1:8080"];
    let web = ("TS_EXPOSE", "svc:web:443=127.0.0.1:8080");
    assert_eq!(forwards(&[web]), told);
    let short = [
        ("TS_LISTEN", "svc:web:443"),
        ("TS_TARGET", "127.0.0.1:8080"),
    ];
    assert_eq!(forwards(&short), told);
    let beside = forwards(&[web, ("TS_CONNECT", "443=office-pc:443")]);
    assert_eq!(beside.len(), 2, "they are two places: {beside:?}");
    refused(
        &[("TS_CONNECT", "svc:web:443=a:1")],
        "TS_CONNECT",
        "svc:web:443=a:1",
    );
    for (text, why) in [
        ("svc:web:443=a:1,svc:web:443=b:1", "listens on svc:web:443"),
        ("svc:web:53/udp=127.0.0.1:53", "without /udp"),
        ("svc:web.b:443=a:1", "svc:NAME:PORT"),
        ("svc:web=a:1", "svc:NAME:PORT"),
    ] {
        let found = mistakes(&[("TS_EXPOSE", text)]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(why), "{}", found[0]);
    }
}
