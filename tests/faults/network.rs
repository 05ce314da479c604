//! The network between two machines breaks: no UDP, much loss, another address.
//! Connections stand still for some seconds at most, and go on.

use std::net::Shutdown;
use std::thread;

use crate::flow::Flow;
use crate::machines::{Filter, Machines};
use crate::support::content::{self, MIB};
use crate::support::patience::{PATIENCE, eventually};

/// Drops 3 packets of 10 at random.
const LOSS: [&str; 10] = [
    "-p",
    "udp",
    "-m",
    "statistic",
    "--mode",
    "random",
    "--probability",
    "0.3",
    "-j",
    "DROP",
];

#[test]
#[ignore = "needs root and network namespaces: make interop"]
fn nodes_without_udp_go_through_the_relay() {
    let machines = Machines::start();
    let mut flow = machines.open();
    machines.wait_direct(&mut flow);
    {
        let _no_udp = machines.wire.without_udp();
        flow.talks();
        machines.open().talks();
        transfer(machines.open(), 4 * MIB);
        flow.talks();
        // Without the relay there is no way left; it comes back in time.
        machines.relay("down");
        machines.relay("up");
        machines.wait_reachable();
        flow.talks();
        machines.open().talks();
    }
    machines.wait_direct(&mut flow);
    machines.open().talks();
}

#[test]
#[ignore = "needs root and network namespaces: make interop"]
fn a_transfer_is_whole_although_3_packets_of_10_are_lost() {
    let machines = Machines::start();
    let mut flow = machines.open();
    machines.wait_direct(&mut flow);
    let bulk = machines.open();
    let there = Filter::new(&machines.far, &LOSS);
    transfer(bulk, 4 * MIB);
    // With the relay alone none would have been.
    let lost = there.packets();
    assert!(lost > 100, "{lost} packets were lost");

    let and_back = Filter::new(&machines.near, &LOSS);
    // This takes from 3 s to 4 minutes: each acknowledgement that is lost makes the
    // pauses longer, and the nodes may take the relay for one way or both, until
    // they probe the direct one again. One dial in a hundred is not answered in time.
    eventually("packets are lost both ways", 3 * PATIENCE, || {
        let Some(bulk) = machines.try_open() else {
            return false;
        };
        transfer(bulk, 4 * MIB);
        there.packets() > lost && and_back.packets() > 0
    });
    for stream in [&flow.client, &flow.served] {
        stream.set_read_timeout(Some(3 * PATIENCE)).unwrap();
    }
    for _ in 0..10 {
        flow.talks();
    }
}

#[test]
#[ignore = "needs root and network namespaces: make interop"]
fn a_machine_that_gets_another_address_keeps_its_connections() {
    let machines = Machines::start();
    let mut flow = machines.open();
    machines.wait_direct(&mut flow);
    let move_it = "ip link set eth0 down
        ip address flush dev eth0
        ip address add 198.18.3.77/24 dev eth0
        ip link set eth0 up
        ip route add default via 198.18.3.1";
    machines.near.run("sh", &["-ec", move_it]);
    flow.talks();
    machines.open().talks();
    machines.wait_reachable();
    machines.wait_direct(&mut flow);
    machines.open().talks();
}

/// Carries bytes to the target, all of them and then the end of stream.
#[track_caller]
fn transfer(flow: Flow, length: u64) {
    let Flow {
        mut client,
        mut served,
        ..
    } = flow;
    for stream in [&client, &served] {
        stream.set_read_timeout(None).unwrap();
        stream.set_write_timeout(None).unwrap();
    }
    let receiving = thread::spawn(move || content::receive(&mut served).unwrap());
    let sent = content::send(&mut client, length, 7).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(content::receive(&mut client).unwrap().length, 0);
    assert_eq!(receiving.join().unwrap(), sent);
}
