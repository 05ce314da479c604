//! A node's key expires, and an admin extends it: nobody has to touch the node.

use std::io::{Read, Write};
use std::time::Duration;

use crate::flow::{Flow, closing_of, logged};
use crate::stage::alone;
use crate::support::pair::Pair;
use crate::support::patience::PATIENCE;
use crate::support::settings::Settings;
use crate::support::socket::{self, end_of, is_closed, is_reset};
use crate::support::tailnet::Tailnet;
use crate::support::tailport::Tailport;

/// A node that was started while its key was expired looks every 60 s whether it
/// has been extended.
const NEXT_LOOK: Duration = Duration::from_secs(90);

/// A moment in which a connection that flows would have said its word.
const MOMENT: Duration = Duration::from_secs(2);

/// Expires a node's key and waits until the node says that it is not ready.
#[track_caller]
fn expire(tailnet: &Tailnet, node: &Tailport) {
    let mark = node.stderr().mark();
    tailnet.expire(&node.ready().hostname);
    let line = logged(node, mark, "not ready", |line| line["ready"] == false);
    assert_eq!(line["state"], "NeedsLogin", "{line}");
    let message = line["message"].as_str().unwrap();
    assert!(message.contains("an admin can extend it"), "{line}");
}

/// Extends it and waits until the node says that it is ready.
#[track_caller]
fn extend(tailnet: &Tailnet, node: &Tailport) {
    let mark = node.stderr().mark();
    tailnet.extend(&node.ready().hostname);
    logged(node, mark, "ready again", |line| line["ready"] == true);
}

/// What is sent meanwhile stands still, and arrives when the key is extended.
#[track_caller]
fn stands_still(tailnet: &Tailnet, node: &Tailport, mut flow: Flow) {
    flow.client.write_all(b"x").unwrap();
    flow.served.set_read_timeout(Some(MOMENT)).unwrap();
    let heard = flow.served.read(&mut [0]);
    assert!(
        heard.is_err() && !is_closed(&heard.map(|read| read as u64)),
        "it stands still"
    );
    flow.served.set_read_timeout(Some(PATIENCE)).unwrap();
    extend(tailnet, node);
    flow.served.read_exact(&mut [0]).expect("it goes on");
    flow.talks();
}

#[test]
fn a_connecting_node_whose_key_expires_goes_on_when_it_is_extended() {
    let tailnet = Tailnet::start();
    let pair = Pair::start(&tailnet, 1);
    let lane = pair.lane();
    let flow = Flow::open(&lane);
    expire(&tailnet, &pair.connecting);
    let mark = pair.connecting.stderr().mark();
    let end = end_of(&mut socket::connect(lane.entry()));
    assert!(is_reset(&end), "a new client is reset at once, not {end:?}");
    let line = closing_of(&pair.connecting, mark, &lane.connect());
    assert!(
        line["error"].as_str().unwrap().contains("NeedsLogin"),
        "{line}"
    );
    stands_still(&tailnet, &pair.connecting, flow);
    Flow::open(&lane).talks();
}

#[test]
fn an_exposing_node_whose_key_expires_goes_on_when_it_is_extended() {
    let tailnet = Tailnet::start();
    let pair = Pair::start(&tailnet, 1);
    let lane = pair.lane();
    let flow = Flow::open(&lane);
    expire(&tailnet, &pair.exposing);
    stands_still(&tailnet, &pair.exposing, flow);
    Flow::open(&lane).talks();
}

#[test]
fn a_node_started_with_an_expired_key_comes_up_when_it_is_extended() {
    let tailnet = Tailnet::start();
    let mut node = alone(Settings::on(&tailnet)).start(&tailnet);
    let (home, before) = (node.home().clone(), node.ready().clone());
    node.terminate();
    assert_eq!(node.wait_code(PATIENCE), 0);

    tailnet.key_policy("login");
    tailnet.expire(&before.hostname);
    let mut again = alone(Settings::without_key(&tailnet))
        .set("TS_HOSTNAME", &before.hostname)
        .home(&home)
        .spawn();
    again.wait_for_text("To log this node in, visit: ");
    assert!(
        again.stdout().lines().is_empty(),
        "not ready while it is expired"
    );
    tailnet.extend(&before.hostname);
    let after = again.wait_ready_within(NEXT_LOOK);
    assert_eq!(after.addresses, before.addresses);
}

#[test]
fn a_node_started_with_an_expired_key_and_an_auth_key_needs_nobody() {
    let tailnet = Tailnet::start();
    let settings = alone(Settings::on(&tailnet));
    let mut node = settings.start(&tailnet);
    let before = node.ready().clone();
    node.terminate();
    assert_eq!(node.wait_code(PATIENCE), 0);
    tailnet.expire(&before.hostname);
    let again = settings.start(&tailnet);
    assert_eq!(again.ready().addresses, before.addresses);
    assert_eq!(tailnet.nodes().len(), 1, "it is the same node");
}

#[test]
fn a_spent_auth_key_ends_an_expired_node_with_77_and_does_not_matter_once_it_is_extended() {
    let tailnet = Tailnet::start();
    let settings = alone(Settings::on(&tailnet));
    let mut node = settings.start(&tailnet);
    let before = node.ready().clone();
    node.terminate();
    assert_eq!(node.wait_code(PATIENCE), 0);
    tailnet.expire(&before.hostname);
    tailnet.key_policy("spent");
    let mut again = settings.spawn();
    assert_eq!(again.wait_code(PATIENCE), 77);
    tailnet.extend(&before.hostname);
    let again = settings.start(&tailnet);
    assert_eq!(again.ready().addresses, before.addresses);
}
