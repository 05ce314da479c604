//! The messages, whole, in pieces and damaged.

use proptest::prelude::*;

use super::*;

/// Gives a reader what it asks for until it is content; the bytes it took.
fn feed<T>(
    bytes: &[u8],
    read: impl Fn(&[u8]) -> Result<Read<T>, Malformed>,
) -> Result<(T, usize), Malformed> {
    let mut given = 0;
    loop {
        match read(&bytes[..given])? {
            Read::Whole(message) => return Ok((message, given)),
            Read::Upto(needed) => {
                assert!(needed > given && needed <= LONGEST, "{given} {needed}");
                given = needed;
            }
        }
    }
}

fn connect(kind: u8, host: &[u8], port: u16) -> Vec<u8> {
    let mut bytes = vec![5, 1, 0, kind];
    bytes.extend_from_slice(host);
    bytes.extend_from_slice(&port.to_be_bytes());
    bytes
}

#[test]
fn every_type_of_address_is_read_and_no_byte_after_it() {
    for (kind, host, shown) in [
        (1, &[10, 0, 0, 7][..], "10.0.0.7:80"),
        (3, b"\x03box", "box:80"),
        (3, b"\x0810.0.0.7", "10.0.0.7:80"),
        (
            4,
            &[0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7],
            "[fd00::7]:80",
        ),
    ] {
        let mut bytes = connect(kind, host, 80);
        let length = bytes.len();
        bytes.extend_from_slice(b"GET / HTTP/1.1");
        let ((command, asked), took) = feed(&bytes, request).unwrap();
        assert_eq!((command, took), (Command::Connect, length));
        assert_eq!(asked.unwrap().to_string(), shown);
    }
}

#[test]
fn a_host_that_cannot_be_is_told_apart_from_a_damaged_message() {
    for host in [&b"\x00"[..], b"\x02a\0", b"\x02\xff\xfe", b"\x05a:1:2"] {
        let (_, asked) = feed(&connect(3, host, 80), request).unwrap().0;
        assert_eq!(asked, Err(NoDestination::Host), "{host:?}");
    }
    let damaged = feed(&connect(2, b"", 80), request);
    assert_eq!(damaged.unwrap_err(), Malformed::AddressType(2));
    assert_eq!(Reply::from(Malformed::AddressType(2)) as u8, 8);
}

#[test]
fn an_offer_holds_the_method_or_does_not() {
    for (offer, password, none) in [
        (&[5, 0][..], false, false),
        (&[5, 1, 0], false, true),
        (&[5, 1, 2], true, false),
        (&[5, 3, 0, 1, 2], true, true),
    ] {
        let takes = |method| feed(offer, |bytes| offers(bytes, method)).unwrap();
        assert_eq!(takes(Method::Password), (password, offer.len()));
        assert_eq!(takes(Method::None), (none, offer.len()));
    }
    assert_eq!(offers(b"GET", Method::None), Err(Malformed::Version(b'G')));
}

#[test]
fn a_user_and_a_password_are_read_even_when_empty_or_as_long_as_can_be() {
    for (user, password) in [(0, 0), (0, 255), (255, 0), (255, 255), (4, 6)] {
        let mut bytes = vec![1, user];
        bytes.resize(2 + usize::from(user), b'u');
        bytes.push(password);
        bytes.resize(bytes.len() + usize::from(password), b'p');
        let check = |a: &[u8], b: &[u8]| {
            a.iter().all(|byte| *byte == b'u')
                && b.iter().all(|byte| *byte == b'p')
                && (a.len(), b.len()) == (usize::from(user), usize::from(password))
        };
        let (good, took) = feed(&bytes, |bytes| login(bytes, check)).unwrap();
        assert!(good);
        assert_eq!(took, bytes.len());
    }
}

#[test]
fn every_failure_of_a_dial_has_its_reply() {
    for (kind, reply) in [
        (DialErrorKind::Refused, 5),
        (DialErrorKind::NotInTailnet, 2),
        (DialErrorKind::UnknownName, 4),
        (DialErrorKind::Unreachable, 3),
        (DialErrorKind::TimedOut, 6),
        (DialErrorKind::NotRunning, 1),
        (DialErrorKind::NoRoom, 1),
    ] {
        assert_eq!(Reply::from(kind).message()[..2], [5, reply], "{kind}");
    }
}

proptest! {
    #[test]
    fn whatever_comes_is_a_message_or_an_error_within_the_bound(
        bytes in prop::collection::vec(any::<u8>(), LONGEST),
        first in prop_oneof![Just(5), Just(1), any::<u8>()],
    ) {
        let mut bytes = bytes;
        bytes[0] = first;
        let _ = feed(&bytes, |bytes| offers(bytes, Method::None));
        let _ = feed(&bytes, |bytes| login(bytes, |_, _| true));
        let _ = feed(&bytes, request);
    }
}

#[test]
fn a_datagram_is_a_destination_and_what_is_behind_it() {
    let head = |kind: u8, host: &[u8]| [&[0, 0, 0][..], &connect(kind, host, 53)[3..]].concat();
    for (bytes, shown) in [
        (head(1, &[10, 0, 0, 7]), "10.0.0.7:53"),
        (head(3, b"\x03Box"), "box:53"),
        (head(4, &[0; 16]), "[::]:53"),
    ] {
        for content in [&b""[..], b"content"] {
            let whole = [&bytes[..], content].concat();
            let (destination, length) = datagram(&whole).unwrap();
            assert_eq!(
                (destination.to_string().as_str(), length),
                (shown, bytes.len())
            );
        }
        for length in 0..bytes.len() {
            assert_eq!(datagram(&bytes[..length]), None, "{length}");
        }
        let mut fragment = bytes;
        fragment[2] = 1;
        assert_eq!(datagram(&fragment), None);
    }
}

#[test]
fn an_answer_names_the_socket_for_datagrams() {
    let v4 = Reply::Succeeded.bound("127.0.0.1:258".parse().unwrap());
    assert_eq!(v4, [5, 0, 0, 1, 127, 0, 0, 1, 1, 2]);
    let v6 = Reply::Succeeded.bound("[::1]:258".parse().unwrap());
    assert_eq!(
        (v6.len(), &v6[..4], &v6[19..]),
        (22, &[5, 0, 0, 4][..], &[1, 1, 2][..])
    );
}
