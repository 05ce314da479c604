//! One connection used in full: each side sends, ends its direction, and reads to
//! the other's end.

use std::net::{Shutdown, TcpStream};
use std::thread;

use crate::support::content::{self, Content};

/// The side that sends, and ends its direction, before it reads.
#[derive(Clone, Copy, Debug)]
pub(crate) enum First {
    /// The one that connected.
    Client,
    /// The one that accepted.
    Server,
}

/// The first side sends all and its end; the other reads to that end before it
/// answers as much and its own end.
#[track_caller]
pub(crate) fn exchange(client: TcpStream, server: TcpStream, first: First, length: u64) {
    let (opening, answering) = match first {
        First::Client => (client, server),
        First::Server => (server, client),
    };
    let opener = thread::spawn(move || {
        let sent = send(&opening, length, 1);
        (sent, receive(&opening))
    });
    let answerer = thread::spawn(move || {
        let received = receive(&answering);
        (send(&answering, length, 2), received)
    });
    let (asked, got) = opener.join().expect("the side that opens");
    let (answered, heard) = answerer.join().expect("the side that answers");
    assert_eq!(asked, heard, "{first:?} first, {length} bytes, there");
    assert_eq!(answered, got, "{first:?} first, {length} bytes, back");
    assert_eq!(got.length, length);
}

fn send(mut stream: &TcpStream, length: u64, seed: u64) -> Content {
    let sent = content::send(&mut stream, length, seed).expect("sending");
    stream
        .shutdown(Shutdown::Write)
        .expect("ending a direction");
    sent
}

fn receive(mut stream: &TcpStream) -> Content {
    content::receive(&mut stream).expect("receiving to an end of stream")
}
