//! SIGTERM: what runs may finish, what is new is refused, what was written arrives;
//! and the ways to have it sooner.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::stage::{self, Connecting};
use crate::support::content::{self, MIB};
use crate::support::patience::{PATIENCE, eventually};
use crate::support::socket;
use crate::support::tailport::Tailport;

/// What closing the node may take after the connections.
const CLOSING: Duration = Duration::from_secs(4);

#[track_caller]
fn stop(node: &mut Tailport) {
    node.terminate();
    node.wait_for_text("a second signal ends at once");
}

/// The target has sent a part when the signal comes, and the rest of it after
/// `refused` has seen that new connections are not taken.
fn finishes(
    mut node: Tailport,
    (mut client, mut target): (TcpStream, TcpStream),
    refused: impl FnOnce(),
) {
    let (part, rest) = (MIB, 16 * MIB);
    let mut begun = vec![0; part as usize];
    content::send(&mut target, part, 1).expect("sending");
    client.read_exact(&mut begun).expect("the transfer runs");

    stop(&mut node);
    refused();
    let (sent, got) = thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let sent = content::send(&mut target, rest, 2).expect("the connection goes on");
            target.shutdown(Shutdown::Write).expect("half-closing");
            sent
        });
        let got = content::receive(&mut client).expect("an end of stream, not an error");
        (sending.join().expect("the target"), got)
    });
    assert_eq!(got, sent);
    assert!(node.has_ended().is_none(), "it waits for the client");
    client.shutdown(Shutdown::Write).expect("half-closing");
    assert!(matches!(socket::end_of(&mut target), Ok(0)));
    assert_eq!(node.wait_code(CLOSING), 0);
}

#[test]
fn a_transfer_of_an_expose_completes_after_sigterm_while_new_connections_are_refused() {
    let target = socket::listen();
    let node = stage::start(&stage::settings().expose(7000, socket::address(&target)));
    let at = node.at(7000);
    let client = stage::peer().dial(at);
    let served = socket::accept(&target);
    finishes(node, (client, served), || {
        if let Ok(mut late) = stage::peer().try_dial(at) {
            let end = socket::end_of(&mut late);
            assert!(socket::is_closed(&end), "{end:?}");
        }
        assert!(
            socket::accept_now(&target).is_none(),
            "it reached the target"
        );
    });
}

#[test]
fn a_transfer_of_a_connect_completes_after_sigterm_while_new_connections_are_refused() {
    let Connecting {
        node,
        target,
        listening: _listening,
    } = Connecting::start(stage::settings());
    let at = node.local();
    let client = socket::connect(at);
    let served = socket::accept(&target);
    finishes(node, (client, served), || {
        eventually("the port is closed", PATIENCE, || {
            TcpStream::connect(at).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
        });
        assert!(
            socket::accept_now(&target).is_none(),
            "it reached the target"
        );
    });
}

/// An expose with one idle connection through it.
fn held(drain_timeout: &str) -> (Tailport, TcpStream, TcpStream) {
    let target = socket::listen();
    let settings = stage::settings()
        .expose(7000, socket::address(&target))
        .set("TS_DRAIN_TIMEOUT", drain_timeout)
        .set("TS_LOG_FORMAT", "json");
    let node = stage::start(&settings);
    let mut client = stage::peer().dial(node.at(7000));
    let mut served = socket::accept(&target);
    client.write_all(b"?").expect("writing");
    served.read_exact(&mut [0]).expect("a byte arrives");
    (node, client, served)
}

#[test]
fn a_connection_that_outlasts_the_drain_is_reset_and_the_exit_is_still_good() {
    let (mut node, mut client, mut served) = held("1s");
    let start = Instant::now();
    node.terminate();
    assert_eq!(node.wait_code(PATIENCE), 0);
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(1), "it took {took:?}");
    assert!(took <= Duration::from_secs(1) + CLOSING, "it took {took:?}");
    let ends = (socket::end_of(&mut client), socket::end_of(&mut served));
    assert!(
        socket::is_reset(&ends.0) && socket::is_reset(&ends.1),
        "{ends:?}"
    );
    node.wait_for_text("the grace is over: connections are reset");
    assert_eq!(node.closings()[0]["ended"], "aborted");
}

#[test]
fn a_drain_of_nothing_ends_at_once() {
    let settings = stage::settings().expose(7000, "127.0.0.1:9");
    let mut node = stage::start(&settings.set("TS_DRAIN_TIMEOUT", "1m"));
    node.interrupt();
    assert_eq!(node.wait_code(CLOSING), 0);
}

#[test]
fn a_second_sigterm_ends_within_a_second() {
    let (mut node, mut client, mut served) = held("1m");
    stop(&mut node);
    assert!(node.has_ended().is_none());
    let start = Instant::now();
    node.terminate();
    assert_eq!(node.wait_code(PATIENCE), 0);
    let took = start.elapsed();
    assert!(took < Duration::from_secs(1), "it took {took:?}");
    let ends = (socket::end_of(&mut client), socket::end_of(&mut served));
    assert!(
        socket::is_reset(&ends.0) && socket::is_reset(&ends.1),
        "{ends:?}"
    );
}

/// A reader that is slower than everything before it, and still done in time.
const SLOW: u64 = 16 * MIB;

/// SIGTERM comes when the relay is through and the reader is not.
#[track_caller]
fn arrives(node: &mut Tailport, writer: &mut TcpStream, reader: &mut TcpStream) {
    let (sent, got, left) = thread::scope(|scope| {
        let reading = scope.spawn(|| {
            reader.shutdown(Shutdown::Write).expect("half-closing");
            let got = content::receive_slowly(reader, SLOW).expect("an end, not an error");
            (got, Instant::now())
        });
        let writing = scope.spawn(|| {
            let sent = content::send(writer, 64 * MIB, 4).expect("sending");
            writer.shutdown(Shutdown::Write).expect("half-closing");
            sent
        });
        node.wait_for_closing(|line| line["ended"] == "clean");
        let stopped = Instant::now();
        node.terminate();
        assert_eq!(node.wait_code(PATIENCE), 0);
        let (got, done) = reading.join().expect("the reader");
        (writing.join().expect("the writer"), got, done - stopped)
    });
    assert_eq!(got, sent);
    assert!(left > Duration::ZERO, "nothing was left to flush");
    assert!(
        !node.log().contains("have not acknowledged"),
        "{}",
        node.log()
    );
}

#[test]
fn an_answer_whose_last_byte_was_relayed_before_sigterm_reaches_a_slow_peer() {
    let target = socket::listen();
    let settings = stage::settings().expose(7000, socket::address(&target));
    let mut node = stage::start(&settings.set("TS_LOG_FORMAT", "json"));
    let mut client = stage::peer().dial(node.at(7000));
    let mut served = socket::accept(&target);
    arrives(&mut node, &mut served, &mut client);
}

#[test]
fn an_upload_whose_last_byte_was_relayed_before_sigterm_reaches_a_slow_target() {
    let mut connecting = Connecting::start(stage::settings().set("TS_LOG_FORMAT", "json"));
    let mut client = socket::connect(connecting.node.local());
    let mut served = socket::accept(&connecting.target);
    arrives(&mut connecting.node, &mut client, &mut served);
}

/// How long a peer may wait for news of a node that has closed.
const TOLD: Duration = Duration::from_secs(10);

#[test]
fn a_peer_that_was_not_sent_everything_when_the_drain_is_over_is_reset_and_does_not_wait() {
    let target = socket::listen();
    let settings = stage::settings()
        .expose(7000, socket::address(&target))
        .set("TS_LOG_FORMAT", "json")
        .set("TS_DRAIN_TIMEOUT", "0");
    let mut node = stage::start(&settings);
    let mut client = stage::peer().dial(node.at(7000));
    let mut served = socket::accept(&target);
    client.shutdown(Shutdown::Write).expect("half-closing");
    client
        .set_read_timeout(Some(TOLD))
        .expect("setting a timeout");
    let got = thread::scope(|scope| {
        let reading = scope.spawn(|| content::receive_slowly(&mut client, SLOW));
        content::send(&mut served, 64 * MIB, 5).expect("sending");
        served.shutdown(Shutdown::Write).expect("half-closing");
        node.wait_for_closing(|line| line["ended"] == "clean");
        node.terminate();
        assert_eq!(node.wait_code(PATIENCE), 0);
        reading.join().expect("the reader")
    });
    node.wait_for_text("have not acknowledged");
    assert!(socket::is_reset(&got), "{got:?}");
}

#[test]
fn the_last_lines_of_the_log_are_there() {
    let target = socket::listen();
    let mut node = stage::start(&stage::settings().expose(7000, socket::address(&target)));
    node.terminate();
    assert_eq!(node.wait_code(CLOSING), 0);
    let log = node.log();
    let last = log.lines().last();
    assert!(
        last.is_some_and(|line| line.contains("the node is closed")),
        "{log}"
    );
    assert!(log.contains("served"), "{log}");
}
