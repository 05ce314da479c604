//! A reset on one side is a reset on the other one, and never looks like an end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::PoisonError;

use crate::stage;
use crate::support::socket;

/// Something moves, then `breaking` resets; the other one is to know.
pub(crate) fn passes_on(mut breaking: TcpStream, mut other: TcpStream) {
    breaking.write_all(b"a part").expect("writing");
    other.read_exact(&mut [0; 6]).expect("a part arrives");
    socket::reset(breaking);
    let end = socket::end_of(&mut other);
    assert!(socket::is_reset(&end), "{end:?}");
}

fn is_told(through_both: impl FnOnce(TcpStream, TcpStream), by: &str) {
    let pair = stage::pair();
    let lane = pair.lane();
    let mark = pair.exposing.stderr().mark();
    let (client, served) = lane.open();
    let from = client.local_addr().expect("an address").to_string();
    through_both(client, served);
    let near = pair
        .connecting
        .wait_for_closing(|line| line["peer"] == from);
    let name = lane.expose();
    let met = |line: &serde_json::Value| line["forward"] == name && line["ended"] == "reset";
    let far = pair.exposing.wait_for_closing_from(mark, met);
    assert_eq!(near["ended"], "reset", "{near}");
    assert_eq!(near["ended_by"], by, "{near}");
    assert_eq!(far["ended_by"], by, "{far}");
}

#[test]
fn a_target_that_resets_in_the_middle_resets_the_client_through_both() {
    is_told(|client, served| passes_on(served, client), "target");
}

#[test]
fn a_client_that_resets_in_the_middle_resets_the_target_through_both() {
    is_told(passes_on, "peer");
}

#[test]
fn a_target_that_resets_in_the_middle_resets_a_stock_client_of_the_expose() {
    let pair = stage::pair();
    let lane = pair.lane();
    let mark = pair.exposing.stderr().mark();
    stage::peer().greet(lane.exposed_at());
    let client = stage::peer().dial(SocketAddr::new(lane.exposed_at(), lane.port()));
    passes_on(socket::accept(lane.target()), client);
    // Not left to the next user of the lane.
    let name = lane.expose();
    pair.exposing.wait_for_closing_from(mark, |line| {
        line["forward"] == name && line["ended"] == "reset"
    });
}

#[test]
fn a_client_of_a_connect_that_resets_in_the_middle_resets_a_stock_target() {
    let shared = stage::connecting();
    let connecting = shared.lock().unwrap_or_else(PoisonError::into_inner);
    let client = socket::connect(connecting.node.local());
    passes_on(client, socket::accept(&connecting.target));
}
