//! A remote desktop: FreeRDP's server behind expose, its client on the peer.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use crate::screen::Screen;
use crate::support::child::Child;
use crate::support::patience::{PATIENCE, eventually};
use crate::world;

const PORT: u16 = 3389;

/// More bytes than a negotiation that draws nothing takes.
const PICTURE: u64 = 10_000;

#[test]
#[ignore = "needs root and network namespaces: make interop"]
fn a_remote_desktop_is_drawn_through_expose() {
    let world = world::turn();
    let office = Screen::start(&world.ours);
    let mut xterm = office.command("xterm");
    xterm.args(["-geometry", "80x24+20+20", "-e", "ls -l /usr/bin; exec cat"]);
    let _xterm = Child::start("xterm", &mut xterm);
    eventually("the terminal is drawn", PATIENCE, || office.colours() > 1);

    let desktop = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    let mut server = office.command("freerdp-shadow-cli");
    server.args([&format!("/port:{PORT}"), "/bind-address:127.0.0.1"]);
    let _server = Child::start("the RDP server", server.args(["-auth", "/sec:tls"]));
    eventually("the RDP server listens", PATIENCE, || {
        world.ours.enter(|| TcpStream::connect(desktop).is_ok())
    });

    let node = world.start(&world.settings().expose(PORT, desktop));
    world.tun.wait_direct(node.address());
    let home = Screen::start(&world.tun.host);
    assert_eq!(home.colours(), 1, "an empty display is one colour");
    let mut client = home.command("xfreerdp");
    client.arg(format!("/v:{}", node.at(PORT)));
    client.args(["/cert:ignore", "/u:a", "/p:b", "/sec:tls", "/size:800x600"]);
    let mut client = Child::start("the RDP client", &mut client);
    eventually(
        "the desktop is drawn on the client's display",
        PATIENCE,
        || {
            assert_eq!(client.has_ended(), None, "the RDP client has ended");
            home.colours() > 1
        },
    );

    // The session's end, as seen by us, with what it has carried.
    drop(client);
    let closing = node.wait_for_closing(|closing| closing["forward"] == "expose 3389/tcp");
    let bytes = |key: &str| closing[key].as_u64().expect("a count");
    assert!(bytes("to_target") > 0, "{closing}");
    assert!(bytes("to_peer") > PICTURE, "{closing}");
}
