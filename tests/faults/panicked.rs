//! A panic inside the task of one connection, by the failpoint of debug builds:
//! that connection is reset both ways, and nothing else notices.

use std::io::Write;

use crate::flow::{Flow, closing_of};
use crate::stage;
use crate::support::patience::PATIENCE;
use crate::support::settings::Settings;
use crate::support::socket::{self, end_of, is_reset};

/// After how many bytes in one direction; no other connection here says as many.
const BYTES: usize = 4_242;

#[test]
fn a_panic_in_a_connection_ends_it_alone_and_frees_its_place() {
    let target = socket::listen();
    let tailnet = stage::tailnet();
    let mut node = Settings::on(tailnet)
        .expose(7000, socket::address(&target))
        .set("TS_MAX_CONNECTIONS", "2")
        .set("TS_LOG_FORMAT", "json")
        .set("TAILPORT_FAILPOINT_PANIC_AFTER", BYTES.to_string())
        .start(tailnet);
    let peer = stage::peer();
    let open = || Flow::of((peer.dial(node.at(7000)), socket::accept(&target)));
    let mut bystander = open();
    bystander.talks();
    let mark = node.stderr().mark();

    let Flow {
        mut client,
        mut served,
        ..
    } = open();
    client.write_all(&[0; BYTES]).unwrap();
    for end in [end_of(&mut served), end_of(&mut client)] {
        assert!(is_reset(&end), "a reset, not {end:?}");
    }
    let line = closing_of(&node, mark, "expose 7000/tcp");
    assert_eq!(
        (&line["level"], &line["ended"]),
        (&"ERROR".into(), &"panicked".into())
    );

    // Both places are in use again, and the program ends as if nothing had been.
    bystander.talks();
    open().talks();
    drop(bystander);
    node.terminate();
    assert_eq!(node.wait_code(PATIENCE), 0);
}
