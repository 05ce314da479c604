//! Bulk: its bytes pass from socket to socket inside the kernel, by pipes that are held
//! only while they flow.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;

use crate::stage;
use crate::support::content::{self, MIB};
use crate::support::patience::{PATIENCE, eventually};
use crate::support::socket;

/// Descriptors of a process that are an end of a pipe.
fn pipe_ends(pid: u32) -> usize {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).expect("the process runs");
    open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter(|link| link.to_string_lossy().starts_with("pipe:"))
        .count()
}

/// Carries bulk one way and looks at the node meanwhile; the connection goes on after.
fn carries(pid: u32, mut from: &TcpStream, to: &TcpStream, seed: u64) {
    let at_rest = pipe_ends(pid);
    let (sent, got) = thread::scope(|scope| {
        let sending = scope.spawn(|| content::send(&mut from, 48 * MIB, seed).expect("sending"));
        let receiving =
            scope.spawn(|| content::receive(&mut to.take(48 * MIB)).expect("all that was sent"));
        eventually("bulk passes by a pipe", PATIENCE, || {
            pipe_ends(pid) == at_rest + 2
        });
        (
            sending.join().expect("the sender"),
            receiving.join().expect("the receiver"),
        )
    });
    assert_eq!(got, sent);
    eventually("the pipe is given back", PATIENCE, || {
        pipe_ends(pid) == at_rest
    });
    from.write_all(b"small").expect("sending");
    let mut small = [0; 5];
    (&mut &*to).read_exact(&mut small).expect("reading");
    assert_eq!(&small, b"small");
}

#[test]
fn bulk_passes_inside_the_kernel_and_leaves_nothing_behind() {
    let target = socket::listen();
    let node = stage::start(&stage::settings().expose(7000, socket::address(&target)));
    let client = stage::peer().dial(node.at(7000));
    let served = socket::accept(&target);
    carries(node.pid(), &client, &served, 1);
    carries(node.pid(), &served, &client, 2);
    client.shutdown(Shutdown::Write).expect("half-closing");
    assert_eq!(socket::end_of(&mut &served).expect("an end"), 0);
    served.shutdown(Shutdown::Write).expect("half-closing");
    assert_eq!(socket::end_of(&mut &client).expect("an end"), 0);
}
