//! The machine sleeps, or the process is killed: afterwards all is as before.

use std::thread;
use std::time::Duration;

use crate::flow::Flow;
use crate::support::pair::Pair;
use crate::support::patience::PATIENCE;
use crate::support::settings::Settings;
use crate::support::socket;
use crate::support::tailnet::Tailnet;

/// As long as a laptop that is carried to the next room.
const ASLEEP: Duration = Duration::from_secs(60);

#[test]
fn a_minute_of_sleep_ends_no_connection() {
    let tailnet = Tailnet::start();
    let mut pair = Pair::start(&tailnet, 1);
    let mut flow = Flow::open(&pair.lane());
    pair.connecting.freeze();
    thread::sleep(ASLEEP);
    pair.connecting.thaw();
    flow.talks();
    let lane = pair.lane();
    Flow::open(&lane).talks();
    tailnet.wait_reachable(pair.connecting.address());
    Flow::open(&lane).talks();
    flow.talks();
}

#[test]
fn a_killed_node_is_the_same_node_after_its_restart() {
    let tailnet = Tailnet::start();
    let target = socket::listen();
    let settings = Settings::on(&tailnet).expose(7000, target.local_addr().unwrap());
    let mut node = settings.start(&tailnet);
    let client = Settings::on(&tailnet)
        .set("TS_DIAL_TIMEOUT", "20s")
        .connect(node.at(7000))
        .start(&tailnet);
    Flow::of((socket::connect(client.local()), socket::accept(&target))).talks();
    let before = node.ready().clone();
    let key = tailnet.node(&before.hostname).unwrap().node_key;
    node.kill();
    assert_eq!(node.wait_exit(PATIENCE).code(), None);

    // The state is enough: it needs no key any more.
    let again = settings.unset("TS_AUTHKEY_FILE").start(&tailnet);
    assert_eq!(again.ready().addresses, before.addresses);
    assert_eq!(tailnet.node(&before.hostname).unwrap().node_key, key);
    assert_eq!(tailnet.nodes().len(), 2, "no second node has appeared");
    Flow::of((socket::connect(client.local()), socket::accept(&target))).talks();
}
