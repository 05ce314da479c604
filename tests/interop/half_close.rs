//! Half-close with a peer on a kernel's own sockets: each side sends and ends its
//! direction on its own time, and not a byte is lost.
//!
//! Through the relay this takes minutes of which nothing works: the queues to it
//! are short, and once its own direction is ended gVisor answers a gap without
//! SACK blocks, so that a Linux peer waits out a timeout for every packet lost.
//! The lanes therefore run side by side.

use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Instant;

use crate::exchange::{First, exchange};
use crate::host::Host;
use crate::support::content::MIB;
use crate::support::patience::{PATIENCE, eventually};
use crate::support::socket;
use crate::world::{self, World};

const LENGTHS: [u64; 3] = [1, MIB, 64 * MIB];

/// The ports of the tailnet that are exposed, one for either first side.
const EXPOSED: [u16; 2] = [7000, 7001];

#[test]
#[ignore = "needs root and network namespaces: make interop"]
fn half_close_loses_nothing_on_a_direct_path() {
    let world = world::turn();
    matrix(&world, true);
}

#[test]
#[ignore = "needs root and network namespaces: make interop"]
fn half_close_loses_nothing_through_the_relay() {
    let world = world::turn();
    let _blocked = world.wire.without_udp();
    matrix(&world, false);
}

/// One forward with one of its sides first.
struct Lane<'a> {
    first: First,
    /// Where the client is, and what it connects to.
    client: &'a Host,
    entry: SocketAddr,
    /// The server, on the other side of the forward.
    server: TcpListener,
}

impl Lane<'_> {
    fn exchange(&self, length: u64) {
        let client = self.client.enter(|| socket::connect(self.entry));
        exchange(client, socket::accept(&self.server), self.first, length);
    }
}

/// Both forwards, either side first, every length.
fn matrix(world: &World, direct: bool) {
    let (tun, ours) = (&world.tun, &world.ours);
    let exposed = [(); 2].map(|()| ours.enter(socket::listen));
    let theirs = SocketAddr::new(tun.v4(), 0);
    let listen = || TcpListener::bind(theirs).expect("listening on the tailnet");
    let connected = [(); 2].map(|()| tun.host.enter(listen));
    let mut settings = world.settings();
    for (port, server) in EXPOSED.iter().zip(&exposed) {
        settings = settings.expose(*port, server.local_addr().unwrap());
    }
    for server in &connected {
        settings = settings.connect(server.local_addr().unwrap());
    }
    let node = world.start(&settings);
    match direct {
        true => tun.wait_direct(node.address()),
        false => tun.wait_relayed(node.address()),
    }
    tun.wait_session(node.address());

    let entries = EXPOSED.map(|port| (&tun.host, node.at(port)));
    let locals = node.ready().local().into_iter().map(|at| (ours, at));
    let lanes: Vec<Lane> = entries
        .into_iter()
        .chain(locals)
        .zip(exposed.into_iter().chain(connected))
        .zip([First::Client, First::Server].into_iter().cycle())
        .map(|(((client, entry), server), first)| Lane {
            first,
            client,
            entry,
            server,
        })
        .collect();
    assert_eq!(lanes.len(), 4);

    for length in LENGTHS {
        let start = Instant::now();
        thread::scope(|scope| {
            for lane in &lanes {
                scope.spawn(|| lane.exchange(length));
            }
        });
        let took = start.elapsed();
        eprintln!("{length} bytes there and back on four lanes: {took:.1?}");
        let is_direct = tun.is_direct(node.address());
        assert_eq!(is_direct, direct, "the path has changed");
    }

    eventually("every closing line", PATIENCE, || {
        node.closings().len() == lanes.len() * LENGTHS.len()
    });
    for closing in node.closings() {
        assert_eq!(closing["ended"], "clean", "{closing}");
        assert_eq!(closing["to_target"], closing["to_peer"], "{closing}");
    }
}
