//! Forward specifications: what is accepted reads back as the same forward.

use proptest::prelude::*;
use tailport::config::Forward;

use crate::{Verdict, hold, input};

pub(crate) const GOOD: &[&str] = &[
    "22",
    "22=127.0.0.1:22",
    "22/tcp=localhost:22",
    ":22=[::1]:22",
    "3389=10.0.0.5:3389",
    "host.example.:80",
    "127.0.0.1:33389=rdp-host:3389",
    "0.0.0.0:0=[fd7a:115c:a1e0::1]:65535",
    "[::1]:2222=my_host:22",
    "53/udp=127.0.0.1:53",
    "443/tls=127.0.0.1:8080",
    "8080=unix:/run/app.sock",
    "9000-9010=host-1:9000-9010",
    "8080=10.0.0.5:80|unix:/run/a.sock|host:80",
    "127.0.0.1:53/udp=dns-host:53",
    "unix:/run/db.sock=db-host:5432",
];

type Read = fn(&str) -> Option<Vec<Forward>>;

fn reads_back(read: Read, text: &str) -> Verdict {
    let forwards = read(text).unwrap_or_default();
    prop_assert!(forwards.len() <= Forward::MOST);
    for forward in forwards {
        prop_assert!(!forward.targets.is_empty());
        let shown = forward.to_string();
        prop_assert!(
            !shown.contains(|c: char| c.is_control() || c.is_whitespace()),
            "{:?}",
            shown
        );
        prop_assert_eq!(read(&shown).unwrap(), vec![forward.clone()]);
        let any_port = forward.listen.to_string();
        let any_port = any_port.ends_with(":0") || any_port.ends_with(":0/udp");
        prop_assert_eq!(forward.collides_with(&forward), !any_port);
    }
    Ok(())
}

#[test]
fn what_is_accepted_reads_back() {
    let text = prop_oneof![4 => input::almost(GOOD), 1 => input::text()];
    hold("forwards", 1, text, |text| {
        reads_back(|text| Forward::expose(text).ok(), &text)?;
        reads_back(|text| Forward::connect(text).ok(), &text)
    });
}

#[test]
fn a_collision_has_two_sides() {
    let two = (input::almost(GOOD), input::almost(GOOD));
    hold("pairs of forwards", 2, two, |(one, other)| {
        let read = |text: &str| Forward::connect(text).or_else(|_| Forward::expose(text));
        if let (Ok(one), Ok(other)) = (read(&one), read(&other)) {
            let (one, other) = (&one[0], &other[0]);
            prop_assert_eq!(one.collides_with(other), other.collides_with(one));
        }
        Ok(())
    });
}
