//! Joining by a headscale key, names and addresses of both families, and where
//! packets go meanwhile.

use std::net::{IpAddr, SocketAddr, TcpListener};

use crate::exchange::{First, exchange};
use crate::hub::DOMAIN;
use crate::support::content::MIB;
use crate::support::patience::{PATIENCE, eventually};
use crate::support::socket;
use crate::support::tailport::Tailport;
use crate::world::{self, World};

#[test]
#[ignore = "needs root and network namespaces: make interop"]
fn a_headscale_key_joins_and_headscale_knows_the_node() {
    let world = world::turn();
    let node = world.start(&world.settings().expose(7000, "127.0.0.1:1"));
    let ready = node.ready();
    let listed = world.hub.headscale(&["nodes", "list", "--output", "json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).expect("a list in JSON");
    let nodes = listed.as_array().expect("a list");
    let ours = nodes
        .iter()
        .find(|known| known["given_name"] == ready.hostname)
        .unwrap_or_else(|| panic!("{} is not in {nodes:#?}", ready.hostname));
    let addresses: Vec<IpAddr> = ours["ip_addresses"]
        .as_array()
        .expect("addresses")
        .iter()
        .map(|address| address.as_str().unwrap().parse().unwrap())
        .collect();
    assert_eq!(ready.addresses, addresses);
    assert_eq!(addresses.len(), 2, "one of each family");
}

#[test]
#[ignore = "needs root and network namespaces: make interop"]
fn connect_takes_a_name_a_full_name_and_both_addresses() {
    let world = world::turn();
    let tun = &world.tun;
    // One port for all: a listener of both families.
    let listener = tun.host.enter(|| TcpListener::bind("[::]:0").unwrap());
    let port = listener.local_addr().unwrap().port();
    let name = tun.host.name();
    let targets = [
        format!("{name}:{port}"),
        format!("{name}.{DOMAIN}:{port}"),
        SocketAddr::new(tun.v4(), port).to_string(),
        SocketAddr::new(tun.v6(), port).to_string(),
    ];
    assert!(targets[3].starts_with("[fd7a:"), "{targets:?}");
    let mut settings = world.settings();
    for target in &targets {
        settings = settings.connect(target);
    }
    let node = world.start(&settings);
    for (target, local) in targets.iter().zip(node.ready().local()) {
        let client = world.ours.enter(|| socket::connect(local));
        let server = socket::accept(&listener);
        let from = canonical(server.peer_addr().unwrap());
        assert!(
            node.ready().addresses.contains(&from),
            "{target}: from {from}"
        );
        exchange(client, server, First::Client, MIB);
    }
    assert_eq!(node.ready().local().len(), targets.len());
}

#[test]
#[ignore = "needs root and network namespaces: make interop"]
fn expose_is_reached_by_both_addresses() {
    let world = world::turn();
    let target = world.ours.enter(socket::listen);
    let node = expose(&world, &target);
    assert_eq!(node.ready().addresses.len(), 2);
    for address in &node.ready().addresses {
        let at = SocketAddr::new(*address, 7000);
        let client = world.tun.host.enter(|| socket::connect(at));
        let local = client.local_addr().unwrap();
        exchange(client, socket::accept(&target), First::Client, MIB);
        let closing = node.wait_for_closing(|closing| closing["peer"] == local.to_string());
        assert_eq!(closing["to_target"], MIB, "{closing}");
    }
}

#[test]
#[ignore = "needs root and network namespaces: make interop"]
fn no_node_of_ours_tries_an_outside_address() {
    let world = world::turn();
    let target = world.ours.enter(socket::listen);
    let mut node = expose(&world, &target);
    let client = world.tun.host.enter(|| socket::connect(node.at(7000)));
    exchange(client, socket::accept(&target), First::Server, MIB);
    node.terminate();
    assert_eq!(node.wait_code(PATIENCE), 0);

    for theirs in ["hub", "tun", "userspace"] {
        eprintln!("{theirs} has tried {:?}", world.wire.strays(theirs));
    }
    assert_eq!(world.wire.strays("ours"), Vec::<String>::new());
    // That the list is kept at all.
    let stray: SocketAddr = "198.19.0.1:9".parse().unwrap();
    world.hub.host().enter(|| {
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.send_to(b"stray", stray).unwrap();
    });
    eventually("the stray is on the list", PATIENCE, || {
        world.wire.strays("hub").contains(&stray.ip().to_string())
    });
}

fn expose(world: &World, target: &TcpListener) -> Tailport {
    let behind = target.local_addr().unwrap();
    let node = world.start(&world.settings().expose(7000, behind));
    world.tun.wait_direct(node.address());
    node
}

/// An address of a socket of both families as what it is.
fn canonical(address: SocketAddr) -> IpAddr {
    address.ip().to_canonical()
}
