//! Conversations of a C program (`c/talk.c`) with stock peers and with itself.

use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::thread;

use crate::program;
use crate::support::child::Child;
use crate::support::home::Home;
use crate::support::patience::PATIENCE;
use crate::support::peer::Peer;
use crate::support::shared;

/// Where `talk serve` listens.
pub(crate) const PORT: u16 = 7000;

/// The accepts whose addresses are compared.
const ACCEPTS: usize = 200;

/// The most threads that a process with two nodes and thousands of descriptors has.
const THREADS: u64 = 20;

fn talk(scenario: &str) -> Command {
    static BUILT: OnceLock<(Home, PathBuf)> = OnceLock::new();
    let (_, program) = BUILT.get_or_init(|| {
        let home = Home::new();
        let program = program::built("talk", home.path());
        (home, program)
    });
    let mut command = program::command(program);
    command.arg(scenario);
    command
}

/// Ends a child by the end of its standard input, as it asks for.
#[track_caller]
pub(crate) fn ends_well(mut child: Child) {
    child.close_stdin();
    let status = child.wait_exit(PATIENCE);
    assert!(status.success(), "{status}: {:?}", child.stderr.lines());
    assert_eq!(child.stderr.lines(), [""; 0]);
}

/// Sends, ends its own direction, and then reads an address and an answer.
#[track_caller]
pub(crate) fn asked(mut stream: TcpStream, question: &[u8]) -> (IpAddr, Vec<u8>) {
    thread::scope(|scope| {
        let mut writer = stream.try_clone().unwrap();
        scope.spawn(move || {
            writer.write_all(question).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        let end = all.iter().position(|byte| *byte == b'\n').unwrap();
        let address = std::str::from_utf8(&all[..end]).unwrap().parse().unwrap();
        (address, all.split_off(end + 1))
    })
}

/// A target of this machine that sends back what it has read, once it has read all.
pub(crate) fn echo_after_the_end() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut all = Vec::new();
                stream.read_to_end(&mut all).unwrap();
                stream.write_all(&all).unwrap();
            });
        }
    });
    address
}

#[test]
fn a_c_program_answers_after_half_closes_and_knows_who_asked() {
    let tailnet = shared::tailnet();
    let one = shared::peer();
    let two = Peer::start(tailnet);
    let home = Home::new();
    let mut serving = program::joining(talk("serve"), &home, tailnet, &[]);
    let address: IpAddr = serving.ready(PATIENCE)["address"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    tailnet.wait_reachable(address);
    let peers = [one, &two];
    for peer in peers {
        peer.greet(address);
    }
    let to = SocketAddr::new(address, PORT);

    let mut question = vec![0; 1 << 20];
    fastrand::Rng::with_seed(7).fill(&mut question);
    let (from, answer) = asked(one.dial(to), &question);
    assert_eq!(from, one.address());
    assert!(answer == question, "{} bytes", answer.len());

    // Each is over before the next: the numbers of descriptors are used again.
    let mut right = 0;
    for n in 0..ACCEPTS {
        let peer = peers[n % 2];
        let (from, answer) = asked(peer.dial(to), &[n as u8]);
        assert_eq!(answer, [n as u8]);
        right += usize::from(from == peer.address());
    }
    assert_eq!(right, ACCEPTS);

    // All at a time, for the accepting threads.
    thread::scope(|scope| {
        for n in 0..32_u8 {
            let peer = peers[usize::from(n) % 2];
            scope.spawn(move || {
                let (from, answer) = asked(peer.dial(to), &[n]);
                assert_eq!((from, answer), (peer.address(), vec![n]));
            });
        }
    });
    ends_well(serving);
}

#[test]
fn a_c_program_dials_and_reads_on_after_its_half_close() {
    let tailnet = shared::tailnet();
    let peer = shared::peer();
    let port = 7100;
    let _listening = peer.listen(port, echo_after_the_end());
    let to = SocketAddr::new(peer.address(), port).to_string();
    let home = Home::new();
    let mut dialing = program::joining(talk("dial"), &home, tailnet, &[&to]);
    assert_eq!(dialing.ready(PATIENCE)["bytes"], 4 << 20);
    ends_well(dialing);
}

#[test]
fn two_thousand_blocking_connections_need_few_threads() {
    let home = Home::new();
    let mut command = talk("hold");
    command.env("GOMAXPROCS", "2"); // as on the smallest machine that this runs on
    let mut holding = program::joining(command, &home, shared::tailnet(), &[]);
    let held = holding.ready(3 * PATIENCE);
    println!("held: {held}");
    for when in ["idle", "busy"] {
        let threads = held[when].as_u64().unwrap();
        assert!(threads <= THREADS, "{when}: {threads} threads");
    }
    ends_well(holding);
}
