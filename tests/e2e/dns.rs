//! DNS over UDP forwards: a resolver asks a name server behind two nodes.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RecordType;

use crate::udp::{Responder, Way};

const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);

/// The length of a message's head.
const HEAD: usize = 12;

/// Answers every question for an address with the same one.
fn answer(question: &[u8]) -> Vec<u8> {
    let names = question.get(HEAD..).unwrap_or_default();
    // The name ends with an empty label; its type and class follow.
    let name = names.iter().position(|byte| *byte == 0).unwrap_or_default() + 1;
    let Some(asked) = names.get(..name + 4) else {
        return Vec::new();
    };
    let mut message = question[..2].to_vec();
    // An answer without error; one question and one record, nothing else.
    message.extend([0x85, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
    message.extend(asked);
    // The name of the question, A, IN, a minute, four bytes.
    message.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
    message.extend(ADDRESS.octets());
    message
}

#[tokio::test]
async fn a_resolver_asks_a_name_server_behind_two_nodes() {
    let server = Responder::new(answer);
    let way = Way::to(&server, |settings| settings, |settings| settings);
    let mut entry = NameServerConfig::udp(way.entry.ip());
    entry.connections[0].port = way.entry.port();
    let config = ResolverConfig::from_name_servers(vec![entry]);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    builder.options_mut().timeout = Duration::from_secs(2);
    builder.options_mut().attempts = 20;
    let resolver = builder.build().expect("a resolver");
    for name in ["one.example.", "two.example."] {
        let found = resolver.lookup(name, RecordType::A).await;
        let found = found.expect("an answer");
        let addresses: Vec<_> = found
            .answers()
            .iter()
            .filter_map(|r| r.data.ip_addr())
            .collect();
        assert_eq!(addresses, [IpAddr::V4(ADDRESS)], "{name}");
    }
}
