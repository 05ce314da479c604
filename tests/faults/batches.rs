//! Something on the way, as a network card or its driver may, drops whatever the system
//! was to cut into packets: single packets arrive, and bulk hardly moves.

use std::thread;

use crate::flow::Flow;
use crate::machines::{Filter, Machines};
use crate::support::content::{self, MIB};

/// Drops what is longer than a packet.
const BATCHES: [&str; 8] = [
    "-p",
    "udp",
    "-m",
    "length",
    "--length",
    "1501:65535",
    "-j",
    "DROP",
];

#[test]
#[ignore = "needs root and network namespaces: make interop"]
fn a_node_whose_batches_are_lost_says_what_may_help() {
    let machines = Machines::start();
    let mut flow = machines.open();
    machines.wait_direct(&mut flow);
    let lost = Filter::new(&machines.far, &BATCHES);
    let Flow {
        mut client,
        mut served,
        ..
    } = machines.open();
    client.set_write_timeout(None).unwrap();
    served.set_read_timeout(None).unwrap();
    let receiving = thread::spawn(move || content::receive(&mut served).unwrap());
    let sending = thread::spawn(move || content::send(&mut client, 64 * MIB, 3).unwrap());
    let told = machines.wait_for_log(0, "TS_DEBUG_DISABLE_UDP_GSO=true");
    assert!(lost.packets() > 0);
    flow.talks();

    // The way is good again: all arrives, and the warning is taken back.
    drop(lost);
    let sent = sending.join().unwrap();
    assert_eq!(receiving.join().unwrap(), sent);
    machines.wait_for_log(told, "the node is well");
}
