//! Where the admin endpoint listens, and under which names it is itself.
//!
//! A web page can make a browser ask any address, and by changing what its own name resolves
//! to it can even read the answers. Such a request names the page's host: only the endpoint's
//! own names are answered.

use std::net::{IpAddr, SocketAddr};

use hyper::http::uri::Authority;

use super::node_status::NodeStatus;

/// Where the admin endpoint listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// An address of this machine.
    Machine(SocketAddr),
    /// A port of the node, on all its tailnet addresses.
    Tailnet(u16),
}

impl At {
    /// Whether a request for this host, as in its `Host` line, is for this endpoint.
    pub(super) fn is_named(&self, host: &str, node: &NodeStatus) -> bool {
        let Ok(authority) = host.parse::<Authority>() else {
            return false;
        };
        let name = authority.host();
        if host.contains('@') || authority.port_u16().unwrap_or(80) != self.port() {
            return false;
        }
        match name.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => self.is_at(address, node),
            Err(_) => self.is_called(name.trim_end_matches('.'), node),
        }
    }

    fn port(&self) -> u16 {
        match self {
            Self::Machine(address) => address.port(),
            Self::Tailnet(port) => *port,
        }
    }

    fn is_at(&self, address: IpAddr, node: &NodeStatus) -> bool {
        match self {
            // Bound to all addresses, it is at each of them; no page can make an address lead
            // elsewhere.
            Self::Machine(bound) => bound.ip().is_unspecified() || bound.ip() == address,
            Self::Tailnet(_) => node.addresses.contains(&address),
        }
    }

    fn is_called(&self, name: &str, node: &NodeStatus) -> bool {
        match self {
            Self::Machine(bound) => {
                let here = bound.ip().is_loopback() || bound.ip().is_unspecified();
                here && name.eq_ignore_ascii_case("localhost")
            }
            Self::Tailnet(_) => node.dns_name.as_ref().is_some_and(|full| {
                let first = full.split('.').next().unwrap_or_default();
                name.eq_ignore_ascii_case(full) || name.eq_ignore_ascii_case(first)
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> NodeStatus {
        NodeStatus {
            dns_name: Some("office.tail.example".to_owned()),
            addresses: vec!["100.64.0.7".parse().unwrap(), "fd7a::7".parse().unwrap()],
            ..NodeStatus::default()
        }
    }

    #[track_caller]
    fn answers(at: At, host: &str, expected: bool) {
        assert_eq!(at.is_named(host, &node()), expected, "{at:?} {host:?}");
    }

    #[test]
    fn a_machine_s_address_answers_to_itself_alone() {
        let at = At::Machine("127.0.0.1:9100".parse().unwrap());
        for host in ["127.0.0.1:9100", "localhost:9100", "LOCALHOST:9100"] {
            answers(at, host, true);
        }
        for host in [
            "evil.example:9100",
            "127.0.0.1:9101",
            "127.0.0.1",
            "localhost",
            "127.0.0.1.evil.example:9100",
            "user@127.0.0.1:9100",
            "office.tail.example:9100",
            "100.64.0.7:9100",
            "",
            ":9100",
            "\u{7f}",
        ] {
            answers(at, host, false);
        }
        answers(At::Machine("[::1]:80".parse().unwrap()), "[::1]", true);
    }

    proptest::proptest! {
        #[test]
        fn no_host_of_a_stranger_answers_and_none_makes_it_panic(host in "\\PC{0,40}") {
            let at = At::Machine("127.0.0.1:9100".parse().unwrap());
            let ours = ["127.0.0.1:9100", "localhost:9100"];
            let expected = ours.contains(&host.to_ascii_lowercase().as_str());
            proptest::prop_assert_eq!(at.is_named(&host, &node()), expected);
            at.is_named(&format!("[{host}]:9100"), &node());
        }
    }

    #[test]
    fn on_every_address_any_address_and_no_name_answers() {
        let at = At::Machine("0.0.0.0:9100".parse().unwrap());
        answers(at, "192.168.1.5:9100", true);
        answers(at, "[fe80::1]:9100", true);
        answers(at, "evil.example:9100", false);
    }

    #[test]
    fn on_the_tailnet_the_node_s_names_and_addresses_answer() {
        let at = At::Tailnet(9100);
        for host in [
            "100.64.0.7:9100",
            "[fd7a::7]:9100",
            "office:9100",
            "office.tail.example:9100",
            "Office.Tail.Example.:9100",
        ] {
            answers(at, host, true);
        }
        for host in ["localhost:9100", "127.0.0.1:9100", "other:9100", "off:9100"] {
            answers(at, host, false);
        }
    }
}
