//! Tests of allow lists.

use proptest::prelude::*;

use super::*;

fn allow(text: &str) -> Allow {
    text.parse()
        .unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

fn alice() -> Identity {
    Identity {
        user: Some("Alice@example.com".into()),
        tags: Vec::new(),
        node: "laptop.tail1.ts.net.".into(),
        domain: "tail1.ts.net".into(),
        address: "100.64.1.2".parse().unwrap(),
        capabilities: vec!["example.com/cap/db".into()],
    }
}

#[test]
fn an_entry_lets_in_whom_it_names() {
    for text in [
        "alice@example.com",
        "*@example.com",
        "*@EXAMPLE.com",
        "laptop",
        "Laptop",
        "laptop.tail1.ts.net",
        "100.64.1.2",
        "100.64.0.0/10",
        "0.0.0.0/0",
        "cap:example.com/cap/db",
    ] {
        assert!(allow(text).matches(&alice()), "{text}");
    }
    for text in [
        "bob@example.com",
        "*@example.org",
        "*@ample.com",
        "alice@",
        "tag:web",
        "lap",
        "laptop.tail2.ts.net",
        "100.64.1.3",
        "100.64.1.0/31",
        "::/0",
        "cap:example.com/cap/d",
    ] {
        assert!(!allow(text).matches(&alice()), "{text}");
    }
}

#[test]
fn a_tagged_node_is_nobodys() {
    let web = Identity {
        tags: vec!["tag:web".into()],
        ..alice()
    };
    assert!(allow("tag:web").matches(&web));
    for text in ["tag:we", "alice@example.com", "*@example.com"] {
        assert!(!allow(text).matches(&web), "{text}");
    }
    let nobody = Identity {
        user: None,
        ..alice()
    };
    assert!(!allow("alice@example.com").matches(&nobody));
}

#[test]
fn a_bare_name_is_no_node_of_another_tailnet() {
    let shared = Identity {
        node: "laptop.tail2.ts.net".into(),
        ..alice()
    };
    assert!(!allow("laptop").matches(&shared));
    assert!(allow("laptop.tail2.ts.net").matches(&shared));
    let unknown = Identity {
        domain: String::new(),
        ..alice()
    };
    assert!(!allow("laptop").matches(&unknown));
}

#[test]
fn a_user_without_a_domain_is_written_with_an_at() {
    for user in ["alice", "alice@"] {
        let peer = Identity {
            user: Some(user.into()),
            ..alice()
        };
        assert!(allow("alice@").matches(&peer), "{user}");
        assert!(!allow("alice@example.com").matches(&peer), "{user}");
    }
}

#[test]
fn addresses_are_compared_by_their_first_bits() {
    let from = |address: &str| Identity {
        address: address.parse().unwrap(),
        ..alice()
    };
    assert!(allow("fd7a:115c:a1e0::/48").matches(&from("fd7a:115c:a1e0::7")));
    assert!(!allow("fd7a:115c:a1e0::/48").matches(&from("fd7a:115c:a1e1::7")));
    assert!(allow("100.64.1.2").matches(&from("::ffff:100.64.1.2")));
    assert!(allow("::/0").matches(&from("fd7a::1")));
    assert!(allow("fd7a::1").matches(&from("fd7a::1")));
}

#[test]
fn what_is_no_entry_has_its_reason() {
    let error = |text: &str| text.parse::<Allow>().unwrap_err();
    assert_eq!(error("*"), AllowError::Everyone);
    for text in [
        "@example.com",
        "*@",
        "a*@example.com",
        "a b@example.com",
        "a@b/c",
    ] {
        assert_eq!(error(text), AllowError::User, "{text:?}");
    }
    for text in ["tag:", "tag:1", "tag:a b"] {
        assert_eq!(error(text), AllowError::Tag, "{text:?}");
    }
    for text in [
        "cap:",
        "cap:example.com",
        "cap:/x",
        "cap:example.com/",
        "cap:a b/c",
    ] {
        assert_eq!(error(text), AllowError::Capability, "{text:?}");
    }
    for text in [
        "10.0.0.0/33",
        "10.0.0.0/",
        "10.0.0.0/+8",
        "x/8",
        "::/129",
        "::/-1",
    ] {
        assert_eq!(error(text), AllowError::Network, "{text:?}");
    }
    assert!(
        error("10.1.2.3/8")
            .to_string()
            .ends_with("write 10.0.0.0/8")
    );
    for text in ["", "a b", "-a", "10.0.0.256", "user:alice", "a_b"] {
        assert_eq!(error(text), AllowError::Unknown, "{text:?}");
    }
}

proptest! {
    #[test]
    fn what_is_shown_reads_back(text in "[*a-z0-9@:./-]{0,30}|.*") {
        if let Ok(entry) = text.parse::<Allow>() {
            prop_assert_eq!(entry.to_string().parse(), Ok(entry.clone()));
            entry.matches(&alice());
        }
    }

    #[test]
    fn a_range_holds_its_own_first_address(address: IpAddr, bits in 0..=128_u8) {
        let network = match Network::new(address, bits) {
            Ok(network) | Err(AllowError::HostBits(network)) => network,
            Err(_) => return Ok(()),
        };
        // Such a range is IPv6 as written and IPv4 as compared.
        prop_assume!(network.address.to_canonical() == network.address);
        prop_assert!(network.contains(network.address));
        prop_assert!(address.to_canonical() != address || network.contains(address));
    }
}
