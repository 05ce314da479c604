//! Every way to give a key, and every cheap way to end: the key is nowhere to be found.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use crate::search::{KEY, Way, command_line_is_clean, is_clean};
use crate::support::home::Home;
use crate::support::patience::PATIENCE;
use crate::support::settings::Settings;
use crate::support::tailnet::Tailnet;
use crate::support::tailport::Tailport;
use crate::support::{server::Server, socket};

/// A node that has all but a key.
fn without_key(control_url: &str) -> Settings {
    Settings::bare()
        .set("TS_CONTROL_URL", control_url)
        .set("TS_TIMEOUT", "3s")
        .expose(22, "127.0.0.1:22")
}

/// A control URL where nobody is, for as long as the socket is kept.
fn nobody() -> (socket2::Socket, String) {
    let (socket, address) = socket::refusing();
    (socket, format!("http://{address}"))
}

/// Starts a node with a key given in each way, and looks for the key when it has ended by `code`.
#[track_caller]
fn each_way_ends(
    settings: impl Fn() -> Settings,
    key: &str,
    code: i32,
    then: impl Fn(&mut Tailport),
) {
    for way in Way::ALL {
        let keys = Home::new();
        let mut node = way.give(settings(), key, &keys).spawn();
        command_line_is_clean(&node, key);
        then(&mut node);
        assert_eq!(node.wait_code(PATIENCE), code, "{way:?}: {}", node.log());
        is_clean(&node, key);
    }
}

fn wait_only(_: &mut Tailport) {}

#[test]
fn a_bad_configuration() {
    each_way_ends(
        || without_key("http://127.0.0.1:9").set("TS_TIMEOUT", "soon"),
        KEY,
        64,
        wait_only,
    );
}

#[test]
fn a_control_server_that_is_not_there() {
    let (_socket, url) = nobody();
    each_way_ends(|| without_key(&url), KEY, 69, wait_only);
}

#[test]
fn a_refused_key_and_a_broken_control_server() {
    let tailnet = Tailnet::start();
    each_way_ends(|| without_key(tailnet.control_url()), KEY, 77, wait_only);
    tailnet.key_policy("unauthorized");
    each_way_ends(|| without_key(tailnet.control_url()), KEY, 77, wait_only);
    tailnet.control("500");
    each_way_ends(|| without_key(tailnet.control_url()), KEY, 69, wait_only);
    tailnet.control("silent");
    each_way_ends(|| without_key(tailnet.control_url()), KEY, 69, wait_only);
}

#[test]
fn a_state_directory_that_cannot_be_used() {
    let open = || {
        let settings = without_key("http://127.0.0.1:9");
        let home = Home::new();
        fs::create_dir(home.state()).unwrap();
        fs::set_permissions(home.state(), fs::Permissions::from_mode(0o755)).unwrap();
        settings.home(&home)
    };
    each_way_ends(open, KEY, 64, wait_only);
}

#[test]
fn a_stop_while_the_control_server_is_asked() {
    let (_socket, url) = nobody();
    each_way_ends(
        || without_key(&url).set("TS_TIMEOUT", "1m"),
        KEY,
        0,
        |node| {
            node.wait_for_text("starting");
            command_line_is_clean(node, KEY);
            node.terminate();
        },
    );
}

#[test]
fn a_node_that_runs_a_second_instance_a_bad_target_and_a_stop() {
    let tailnet = Tailnet::start();
    let key = tailnet.key();
    let (_refusing, target) = socket::refusing();
    let echo = Server::echo();
    for way in Way::ALL {
        let keys = Home::new();
        let peer = Settings::on(&tailnet)
            .expose(7, echo.address())
            .start(&tailnet);
        let settings = Settings::without_key(&tailnet)
            .connect(format_args!("{}:{}", peer.address(), 8))
            .expose(22, target);
        let mut node = way.give(settings, key, &keys).start(&tailnet);
        command_line_is_clean(&node, key);

        let second = Settings::without_key(&tailnet)
            .home(node.home())
            .expose(22, target);
        let mut second = way.give(second, key, &keys).spawn();
        assert_eq!(second.wait_code(PATIENCE), 1, "{way:?}");
        is_clean(&second, key);

        let mut refused = socket::connect(node.local());
        let _ = socket::end_of(&mut refused);
        node.wait_for_text("dial_failed");
        node.terminate();
        assert_eq!(node.wait_code(PATIENCE), 0, "{way:?}");
        is_clean(&node, key);
    }
}

/// The foreign variables hold a key that this tailnet takes: nobody may look at them.
#[test]
fn keys_in_foreign_variables_are_not_used_while_a_person_is_asked() {
    let tailnet = Tailnet::start();
    tailnet.key_policy("login");
    let mut settings = without_key(tailnet.control_url())
        .set("TS_LOG", "trace")
        .set("TS_LOGIN_TIMEOUT", "2s");
    for name in ["TS_AUTH_KEY", "TS_API_CLIENT_SECRET", "TS_API_KEY"] {
        settings = settings.set(name, tailnet.key());
    }
    let mut node = settings.spawn();
    node.wait_for_text("To log this node in, visit: ");
    command_line_is_clean(&node, tailnet.key());
    assert_eq!(node.wait_code(PATIENCE + Duration::from_secs(2)), 77);
    is_clean(&node, tailnet.key());
}
