//! Tests of what a forward says of itself.

use super::*;

fn expose(text: &str) -> Forward {
    Forward::expose(text).unwrap().remove(0)
}

fn connect(text: &str) -> Forward {
    Forward::connect(text).unwrap().remove(0)
}

#[test]
fn the_ready_line_has_its_three_texts() {
    for (forward, kind, listen, target) in [
        (
            expose("22=127.0.0.1:2222"),
            "expose",
            "22/tcp",
            "127.0.0.1:2222",
        ),
        (expose("53/udp=ns:53"), "expose", "53/udp", "ns:53"),
        (expose("443/tls=a:1|b:2"), "expose", "443/tls", "a:1|b:2"),
        (
            connect("33389=rdp:3389"),
            "connect",
            "127.0.0.1:33389",
            "rdp:3389",
        ),
        (
            connect("53/udp=ns:53"),
            "connect",
            "127.0.0.1:53/udp",
            "ns:53",
        ),
        (connect("unix:/run/a=b:1"), "connect", "unix:/run/a", "b:1"),
    ] {
        let shown = (forward.kind(), forward.listen.to_string(), forward.target());
        assert_eq!(shown, (kind, listen.to_owned(), target.to_owned()));
    }
}

#[test]
fn two_forwards_in_one_place_collide() {
    let collide = |a: &str, b: &str| {
        let (a, b) = (connect(a), connect(b));
        assert_eq!(a.collides_with(&b), b.collides_with(&a));
        a.collides_with(&b)
    };
    assert!(collide("80=a:1", "127.0.0.1:80=b:2"));
    assert!(collide("80=a:1", "0.0.0.0:80=b:2"));
    assert!(collide("[::]:80=a:1", "80=b:2"));
    assert!(!collide("80=a:1", "81=b:2"));
    assert!(!collide("80=a:1", "[::1]:80=b:2"));
    assert!(!collide("0=a:1", "0=b:2"));
    assert!(!collide("53=a:1", "53/udp=b:2"));
    assert!(collide("53/udp=a:1", "0.0.0.0:53/udp=b:2"));
    assert!(collide("unix:/run/a=a:1", "unix:/run//a=b:2"));
    assert!(!collide("unix:/run/a=a:1", "unix:/run/b=b:2"));
    let http = expose("80");
    assert!(http.collides_with(&expose("80=db:1")));
    assert!(http.collides_with(&expose("80/tls=db:1")), "both are TCP");
    assert!(!http.collides_with(&expose("80/udp=db:1")));
    assert!(expose("80/udp").collides_with(&expose("80/udp=db:1")));
    assert!(!http.collides_with(&connect("80=a:1")));
}
