//! Each side may end first, and the other one still says all it has to say: every
//! byte and both ends of stream arrive, whichever way the connection was made.
//!
//! A connection runs through an expose alone (a stock peer connects), through a
//! connect alone (a stock peer has the target), or through both.

use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::PoisonError;

use crate::stage;
use crate::support::content::{self, MIB};
use crate::support::socket;

enum Path {
    Expose,
    Connect,
    Both,
}

/// Which side says its end of stream first.
#[derive(PartialEq)]
pub(crate) enum First {
    Client,
    Server,
}

use First::{Client, Server};
use Path::{Both, Connect, Expose};

fn run(path: Path, first: First, length: u64) {
    match path {
        Expose => {
            let lane = stage::pair().lane();
            stage::peer().greet(lane.exposed_at());
            let exposed = SocketAddr::new(lane.exposed_at(), lane.port());
            let client = stage::peer().dial(exposed);
            transfer(client, socket::accept(lane.target()), first, length);
        }
        Connect => {
            let shared = stage::connecting();
            let connecting = shared.lock().unwrap_or_else(PoisonError::into_inner);
            let client = socket::connect(connecting.node.local());
            let target = socket::accept(&connecting.target);
            transfer(client, target, first, length);
        }
        Both => {
            let lane = stage::pair().lane();
            let (client, target) = lane.open();
            transfer(client, target, first, length);
        }
    }
}

/// Has one side end first, after `length` bytes, and the other one answer.
pub(crate) fn transfer(mut client: TcpStream, mut server: TcpStream, first: First, length: u64) {
    if first == Client {
        ends_first(&mut client, &mut server, length);
    } else {
        ends_first(&mut server, &mut client, length);
    }
}

/// The side that ends first sends `length` bytes and its end; only when the other
/// one has read both does it answer with as many bytes of its own, and its end.
#[track_caller]
fn ends_first(first: &mut TcpStream, second: &mut TcpStream, length: u64) {
    std::thread::scope(|scope| {
        let answering = scope.spawn(|| {
            let got = content::receive(second).expect("an end of stream, not an error");
            let answer = content::send(second, length, 2).expect("the way back is open");
            second.shutdown(Shutdown::Write).expect("half-closing");
            (got, answer)
        });
        let sent = content::send(first, length, 1).expect("sending");
        first.shutdown(Shutdown::Write).expect("half-closing");
        let got_back = content::receive(first).expect("an end of stream, not an error");
        let (got, sent_back) = answering.join().expect("the second side");
        assert_eq!(got, sent, "the first side's bytes");
        assert_eq!(got_back, sent_back, "the second side's bytes");
        assert_eq!((sent.length, sent_back.length), (length, length));
    });
}

macro_rules! both_ends_and_every_byte_arrive {
    ($($name:ident: $path:ident, $first:ident, $length:expr;)*) => {
        $(#[test]
        fn $name() {
            run($path, $first, $length);
        })*
    };
}

both_ends_and_every_byte_arrive! {
    through_an_expose_whose_client_ends_first_after_1_byte: Expose, Client, 1;
    through_an_expose_whose_client_ends_first_after_1_mib: Expose, Client, MIB;
    through_an_expose_whose_client_ends_first_after_64_mib: Expose, Client, 64 * MIB;
    through_an_expose_whose_server_ends_first_after_1_byte: Expose, Server, 1;
    through_an_expose_whose_server_ends_first_after_1_mib: Expose, Server, MIB;
    through_an_expose_whose_server_ends_first_after_64_mib: Expose, Server, 64 * MIB;
    through_a_connect_whose_client_ends_first_after_1_byte: Connect, Client, 1;
    through_a_connect_whose_client_ends_first_after_1_mib: Connect, Client, MIB;
    through_a_connect_whose_client_ends_first_after_64_mib: Connect, Client, 64 * MIB;
    through_a_connect_whose_server_ends_first_after_1_byte: Connect, Server, 1;
    through_a_connect_whose_server_ends_first_after_1_mib: Connect, Server, MIB;
    through_a_connect_whose_server_ends_first_after_64_mib: Connect, Server, 64 * MIB;
    through_both_when_the_client_ends_first_after_1_byte: Both, Client, 1;
    through_both_when_the_client_ends_first_after_1_mib: Both, Client, MIB;
    through_both_when_the_client_ends_first_after_64_mib: Both, Client, 64 * MIB;
    through_both_when_the_server_ends_first_after_1_byte: Both, Server, 1;
    through_both_when_the_server_ends_first_after_1_mib: Both, Server, MIB;
    through_both_when_the_server_ends_first_after_64_mib: Both, Server, 64 * MIB;
}
