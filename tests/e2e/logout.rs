//! `tailport logout`: the node is off its tailnet, the program ends, and another start
//! has to log in.

use crate::stage::ask;
use crate::support::patience::{PATIENCE, eventually};
use crate::support::settings::Settings;
use crate::support::tailnet::Tailnet;

#[test]
fn a_node_that_is_logged_out_ends_and_must_log_in_again() {
    let tailnet = Tailnet::start();
    let settings = Settings::on(&tailnet).expose(7000, "127.0.0.1:9");
    let mut node = settings.start(&tailnet);
    let (code, _, err) = ask(node.home(), &["logout"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(node.wait_code(PATIENCE), 0);
    eventually("the control server has heard of it", PATIENCE, || {
        tailnet.nodes().iter().all(|node| !node.polling)
    });
    let mut again = settings
        .unset("TS_AUTHKEY_FILE")
        .set("TS_LOGIN_TIMEOUT", "0")
        .spawn();
    assert_eq!(again.wait_code(PATIENCE), 77);
}
