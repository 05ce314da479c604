//! An admin deletes the node.

use crate::flow::{Flow, logged};
use crate::stage::alone;
use crate::support::pair::Pair;
use crate::support::patience::PATIENCE;
use crate::support::settings::Settings;
use crate::support::socket::{self, end_of, is_reset};
use crate::support::tailnet::Tailnet;

#[test]
fn a_deleted_node_says_so_and_ends_with_77_and_joins_anew_with_a_key() {
    let tailnet = Tailnet::start();
    let mut pair = Pair::with(&tailnet, 1, |settings| {
        settings.set("TS_DRAIN_TIMEOUT", "1s")
    });
    let mut flow = Flow::open(&pair.lane());
    let before = pair.connecting.ready().clone();
    let entry = before.forwards[0].target.clone();

    tailnet.delete(&before.hostname);
    let line = logged(&pair.connecting, 0, "the reason", |line| {
        line["message"] == "stopping"
    });
    let reason = line["reason"].as_str().unwrap();
    assert!(reason.contains("perhaps an admin has deleted it"), "{line}");
    let end = end_of(&mut flow.client);
    assert!(
        is_reset(&end),
        "what runs is reset after the grace, not {end:?}"
    );
    assert_eq!(pair.connecting.wait_code(PATIENCE), 77);
    let line = pair.connecting.wait_for_text("ERROR {");
    assert!(line.contains(r#""kind":"login_refused""#), "{line}");
    assert!(line.contains("perhaps an admin has deleted it"), "{line}");
    assert!(line.contains("TS_AUTHKEY_FILE"), "{line}");

    let home = pair.connecting.home().clone();
    let mut keyless = alone(Settings::without_key(&tailnet)).home(&home).spawn();
    assert_eq!(
        keyless.wait_code(PATIENCE),
        77,
        "a deleted node needs a key"
    );

    let again = Settings::on(&tailnet)
        .set("TS_HOSTNAME", &before.hostname)
        .set("TS_DIAL_TIMEOUT", "20s")
        .connect(entry)
        .home(&home)
        .start(&tailnet);
    let client = socket::connect(again.local());
    let lane = pair.lane();
    Flow::of((client, socket::accept(lane.target()))).talks();
}
