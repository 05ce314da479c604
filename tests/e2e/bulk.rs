//! Bulk: its bytes pass without the relay, which wakes for none of them, or from socket to
//! socket inside the kernel, by pipes that are held only while they flow.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;

use crate::stage;
use crate::support::content::{self, MIB};
use crate::support::patience::{PATIENCE, eventually};
use crate::support::process;
use crate::support::socket;

/// What tokio calls the threads that the relays run on.
const RELAYS: &str = "tokio-rt-worker";

const EXCHANGES: u64 = 300;

/// Descriptors of a process that are an end of a pipe.
fn pipe_ends(pid: u32) -> usize {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).expect("the process runs");
    open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter(|link| link.to_string_lossy().starts_with("pipe:"))
        .count()
}

/// Sends so much from one end, and takes it at the other while `meanwhile` looks.
fn carries(from: &TcpStream, to: &TcpStream, amount: u64, seed: u64, meanwhile: impl FnOnce()) {
    let (sent, got) = thread::scope(|scope| {
        let sending = scope.spawn(|| content::send(&mut { from }, amount, seed).expect("sending"));
        let receiving =
            scope.spawn(|| content::receive(&mut to.take(amount)).expect("all that was sent"));
        meanwhile();
        (
            sending.join().expect("the sender"),
            receiving.join().expect("the receiver"),
        )
    });
    assert_eq!(got, sent);
}

fn small(mut from: &TcpStream, mut to: &TcpStream) {
    from.write_all(b"small").expect("sending");
    let mut got = [0; 5];
    to.read_exact(&mut got).expect("reading");
    assert_eq!(&got, b"small");
}

#[test]
fn bytes_pass_without_the_relay_and_both_ends_after_them() {
    let target = socket::listen();
    let settings = stage::settings().set("TS_LOG_FORMAT", "json");
    let node = stage::start(&settings.expose(7000, socket::address(&target)));
    let client = stage::peer().dial(node.at(7000));
    let served = socket::accept(&target);
    carries(&client, &served, MIB, 1, || {});

    let before = process::wakings(node.pid(), RELAYS).expect("the relays' thread");
    carries(&client, &served, 48 * MIB, 2, || {});
    carries(&served, &client, 48 * MIB, 3, || {});
    for _ in 0..EXCHANGES {
        small(&client, &served);
        small(&served, &client);
    }
    let after = process::wakings(node.pid(), RELAYS).expect("the relays' thread");
    // What else there is to do, such as looking after the node, takes a few.
    let woken = after - before;
    assert!(woken < EXCHANGES, "woken {woken} times");

    client.shutdown(Shutdown::Write).expect("half-closing");
    assert_eq!(socket::end_of(&mut &served).expect("an end"), 0);
    served.shutdown(Shutdown::Write).expect("half-closing");
    assert_eq!(socket::end_of(&mut &client).expect("an end"), 0);
    let closing = node.wait_for_closing(|_| true);
    assert_eq!(closing["ended"], "clean", "{closing}");
    assert_eq!(closing["to_target"], 49 * MIB + 5 * EXCHANGES, "{closing}");
    assert_eq!(closing["to_peer"], 48 * MIB + 5 * EXCHANGES, "{closing}");
    assert_eq!(closing["ended_by"], "peer", "{closing}");
}

#[test]
fn a_connection_takes_one_descriptor_until_the_relay_has_it() {
    /// What the node opens and closes for itself meanwhile.
    const OTHERS: usize = 10;

    let target = socket::listen();
    let node = stage::start(&stage::settings().expose(7000, socket::address(&target)));
    let descriptors = || process::descriptors(node.pid()).expect("the process runs");
    let at_rest = descriptors();
    let connections: Vec<_> = (0..20)
        .map(|_| {
            let client = stage::peer().dial(node.at(7000));
            (client, socket::accept(&target))
        })
        .collect();
    let count = connections.len();
    for (client, served) in &connections {
        small(client, served);
    }
    eventually("each has one", PATIENCE, || {
        descriptors() <= at_rest + count + OTHERS
    });

    for (client, served) in &connections {
        client.shutdown(Shutdown::Write).expect("half-closing");
        assert_eq!(socket::end_of(&mut &*served).expect("an end"), 0);
    }
    // An end that is not answered within a second comes to the relay.
    eventually("each has three", PATIENCE, || {
        for (client, served) in &connections {
            small(served, client);
        }
        descriptors() + OTHERS >= at_rest + 3 * count
    });
    for (client, served) in &connections {
        served.shutdown(Shutdown::Write).expect("half-closing");
        assert_eq!(socket::end_of(&mut &*client).expect("an end"), 0);
    }
    eventually("all are given back", PATIENCE, || {
        descriptors() <= at_rest + OTHERS
    });
}

#[test]
fn bulk_behind_the_other_sides_end_passes_inside_the_kernel_and_leaves_nothing_behind() {
    let target = socket::listen();
    let settings = stage::settings().set("TS_LOG", "tailport=debug");
    let node = stage::start(&settings.expose(7000, socket::address(&target)));
    let client = stage::peer().dial(node.at(7000));
    let served = socket::accept(&target);
    let at_rest = pipe_ends(node.pid());
    client.shutdown(Shutdown::Write).expect("half-closing");
    assert_eq!(socket::end_of(&mut &served).expect("an end"), 0);
    node.wait_for_text("a lent socket is back");

    carries(&served, &client, 48 * MIB, 1, || {
        eventually("bulk passes by a pipe", PATIENCE, || {
            pipe_ends(node.pid()) == at_rest + 2
        });
    });
    eventually("the pipe is given back", PATIENCE, || {
        pipe_ends(node.pid()) == at_rest
    });
    small(&served, &client);
    served.shutdown(Shutdown::Write).expect("half-closing");
    assert_eq!(socket::end_of(&mut &client).expect("an end"), 0);
}
