//! Targets that do not answer, or refuse: the client knows soon, the slot is free
//! in time, and other connections never notice.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use crate::stage;
use crate::support::black_hole::BlackHole;
use crate::support::server::Server;
use crate::support::socket;
use crate::support::tailport::Tailport;

const DIAL_TIMEOUT: Duration = Duration::from_secs(2);

/// What the slot may take beyond TS_DIAL_TIMEOUT.
const GRACE: Duration = Duration::from_millis(500);

/// The longest that a connection beside the dial may be without an echo.
const FLOWING: Duration = Duration::from_secs(1);

/// Connects to one of the two targets; `None` when that was refused.
type Open<'a> = dyn Fn() -> Option<TcpStream> + Sync + 'a;

/// Set when dropped, so that a failing test does not wait for its other thread.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

fn echoes(stream: &mut TcpStream) -> bool {
    stream.write_all(b"?").is_ok() && stream.read_exact(&mut [0]).is_ok()
}

fn is_served(open: &Open<'_>) -> bool {
    open().is_some_and(|mut stream| echoes(&mut stream))
}

/// Two slots: one echoes throughout, the other one is taken by a dial to nowhere.
fn frees_its_slot(node: &Tailport, to_nowhere: &Open<'_>, to_echo: &Open<'_>) {
    let mut flowing = to_echo().expect("a slot is free");
    assert!(echoes(&mut flowing));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let stop = Done(&done);
        let flow = scope.spawn(|| {
            let mut longest = Duration::ZERO;
            while !done.load(SeqCst) {
                let asked = Instant::now();
                assert!(echoes(&mut flowing), "the other connection was cut");
                longest = longest.max(asked.elapsed());
                thread::sleep(Duration::from_millis(10));
            }
            longest
        });
        let start = Instant::now();
        let mut stuck = to_nowhere().expect("a slot is free");
        let closed = scope.spawn(move || {
            let end = socket::end_of(&mut stuck);
            (end, start.elapsed())
        });
        // Nobody competes for its slot; by now it has it.
        thread::sleep(DIAL_TIMEOUT / 2);
        let full = !is_served(to_echo);
        while !is_served(to_echo) && start.elapsed() < DIAL_TIMEOUT * 4 {
            thread::sleep(Duration::from_millis(10));
        }
        let free = start.elapsed();
        let (end, closed) = closed.join().expect("the stuck client");
        drop(stop);
        let longest = flow.join().expect("the flowing client");

        assert!(full, "both slots were taken meanwhile");
        assert!(
            free <= DIAL_TIMEOUT + GRACE,
            "the slot was free after {free:?}"
        );
        assert!(closed <= DIAL_TIMEOUT + GRACE, "closed after {closed:?}");
        assert!(closed >= DIAL_TIMEOUT - GRACE, "closed after {closed:?}");
        assert!(socket::is_closed(&end), "{end:?}");
        assert!(longest < FLOWING, "an echo took {longest:?}");
    });
    let line = node.wait_for_closing(|line| line["ended"] == "dial_failed");
    let error = line["error"].as_str().expect("a text");
    assert!(error.starts_with("timed out"), "{line}");
    let took = line["duration_ms"].as_u64().map(Duration::from_millis);
    assert!(
        took.is_some_and(|took| took <= DIAL_TIMEOUT + GRACE),
        "{line}"
    );
}

#[test]
fn an_exposed_black_hole_frees_its_slot_within_the_dial_timeout_while_others_flow() {
    let (nowhere, echo) = (BlackHole::new(), Server::echo());
    let settings = stage::settings()
        .expose(7000, nowhere.address())
        .expose(7001, echo.address())
        .set("TS_MAX_CONNECTIONS", "2")
        .set("TS_DIAL_TIMEOUT", "2s")
        .set("TS_LOG_FORMAT", "json");
    let node = stage::start(&settings);
    frees_its_slot(
        &node,
        &|| stage::peer().try_dial(node.at(7000)).ok(),
        &|| stage::peer().try_dial(node.at(7001)).ok(),
    );
}

#[test]
fn a_connect_to_a_black_hole_frees_its_slot_within_the_dial_timeout_while_others_flow() {
    let echo = Server::echo();
    let port = stage::peer_port();
    let _listening = stage::peer().listen(port, echo.address());
    let nowhere = stage::tailnet().black_hole();
    let settings = stage::settings()
        .connect(SocketAddr::new(nowhere.addresses[0], 7000))
        .connect(SocketAddr::new(stage::peer().address(), port))
        .set("TS_MAX_CONNECTIONS", "2")
        .set("TS_DIAL_TIMEOUT", "2s")
        .set("TS_LOG_FORMAT", "json");
    let node = stage::start(&settings);
    let local = node.ready().local();
    frees_its_slot(&node, &|| socket::try_connect(local[0]).ok(), &|| {
        socket::try_connect(local[1]).ok()
    });
}

/// A refusal is tried again within a second; that, and a busy machine.
const AT_ONCE: Duration = Duration::from_secs(2);

fn is_told_at_once(node: &Tailport, mut client: TcpStream) {
    let start = Instant::now();
    let end = socket::end_of(&mut client);
    let took = start.elapsed();
    assert!(socket::is_closed(&end), "{end:?}");
    assert!(took < AT_ONCE, "closed after {took:?}");
    let line = node.wait_for_closing(|_| true);
    assert_eq!(line["ended"], "dial_failed", "{line}");
    assert!(
        line["error"]
            .as_str()
            .expect("a text")
            .starts_with("refused"),
        "{line}"
    );
}

#[test]
fn a_client_of_an_expose_whose_target_refuses_is_closed_at_once() {
    let (_taken, refusing) = socket::refusing();
    let settings = stage::settings().set("TS_LOG_FORMAT", "json");
    let node = stage::start(&settings.expose(7000, refusing));
    is_told_at_once(&node, stage::peer().dial(node.at(7000)));
}

#[test]
fn a_client_of_a_connect_whose_target_refuses_is_closed_at_once() {
    let nobody = SocketAddr::new(stage::peer().address(), stage::peer_port());
    let settings = stage::settings().set("TS_LOG_FORMAT", "json");
    let node = stage::start(&settings.connect(nobody));
    is_told_at_once(&node, socket::connect(node.local()));
}
