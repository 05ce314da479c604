//! A reader that takes nothing holds back only its own connection, and the bytes
//! that wait for it have a bound.

use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use crate::bulk::{self, Target, per_second};
use crate::stage;
use crate::support::content::MIB;
use crate::support::patience::PATIENCE;
use crate::support::peer::Peer;
use crate::support::process::{mebibytes, resident};
use crate::support::settings::Settings;
use crate::support::socket;

/// What is offered to the reader that takes nothing.
const OFFERED: u64 = 1024 * MIB;

/// More than what the whole path may hold of one connection: the buffers of five
/// kernel sockets and of both nodes' network stacks.
const HELD: u64 = 64 * MIB;

/// A sender that could not send for so long has been stopped.
const STOPPED: Duration = Duration::from_secs(3);

/// What other connections move meanwhile.
const LENGTH: u64 = 64 * MIB;

/// How often that is measured.
const TRIES: usize = 3;

/// The ports on the tailnet: of the slow connection, and of the others.
const SLOW: u16 = 7000;
const OTHERS: u16 = 7001;

#[test]
fn a_peer_that_never_reads_holds_back_only_itself() {
    never_read(|client, served| (served, client));
}

#[test]
fn a_target_that_never_reads_holds_back_only_the_connection_to_it() {
    never_read(|client, served| (client, served));
}

/// `sides` says which end sends and which one never reads.
#[track_caller]
fn never_read(sides: impl FnOnce(TcpStream, TcpStream) -> (TcpStream, TcpStream)) {
    let _machine = stage::alone();
    let (slow, others): (TcpListener, Target) = (socket::listen(), Target::start());
    let peer = Peer::start(stage::tailnet());
    let node = Settings::on(stage::tailnet())
        .expose(SLOW, slow.local_addr().expect("an address"))
        .expose(OTHERS, others.address())
        .start(stage::tailnet());
    peer.greet(node.address());
    let move_all = || {
        let took = bulk::one(&others, &mut peer.dial(node.at(OTHERS)), LENGTH);
        LENGTH as f64 / took.as_secs_f64()
    };
    move_all(); // the first one makes the buffers grow
    let alone = best(move_all);
    let before = resident(node.pid()).expect("the process runs");

    let client = peer.dial(node.at(SLOW));
    let (mut sender, mut reader) = sides(client, socket::accept(&slow));
    let sent = offer(&mut sender);
    let grown = resident(node.pid())
        .expect("the process runs")
        .saturating_sub(before);
    let beside = best(move_all);
    println!(
        "  {} of {} taken, resident {} more; another connection alone {}, beside it {}: {:.2}",
        mebibytes(sent),
        mebibytes(OFFERED),
        mebibytes(grown),
        per_second(alone),
        per_second(beside),
        beside / alone
    );
    assert!(sent < HELD, "{} were taken", mebibytes(sent));
    assert!(grown < HELD, "{} more are resident", mebibytes(grown));

    // Held back, not lost: a reader that begins to read gets every byte.
    sender.shutdown(Shutdown::Write).expect("half-closing");
    reader
        .set_read_timeout(Some(PATIENCE))
        .expect("setting a timeout");
    let got = socket::end_of(&mut reader).expect("an end of stream");
    assert_eq!(got, sent, "bytes that arrived");
}

/// The best of some tries: this machine has other things to do too.
fn best(rate: impl Fn() -> f64) -> f64 {
    (0..TRIES).map(|_| rate()).fold(0.0, f64::max)
}

/// Writes until nothing is taken any more; how much was.
fn offer(sender: &mut TcpStream) -> u64 {
    sender
        .set_write_timeout(Some(STOPPED))
        .expect("setting a timeout");
    let block = vec![0x5a; 64 * 1024];
    let mut sent = 0;
    while sent < OFFERED {
        match sender.write(&block) {
            Ok(written) => sent += written as u64,
            Err(_) => break,
        }
    }
    sent
}
