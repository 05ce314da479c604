//! The status page of a running node in Chromium: it shows the node, its forwards
//! and what they have carried.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};

use crate::support::home::Home;
use crate::support::http;
use crate::support::patience::{PATIENCE, eventually};
use crate::support::server::Server;
use crate::support::settings::Settings;
use crate::support::shared::{peer, tailnet};
use crate::support::unpacked;

/// The page as it is some seconds later by its own clock, and what the browser says
/// meanwhile. It has no screen, and no names but addresses.
fn shown(address: SocketAddr) -> (String, String) {
    let profile = Home::new();
    let mut browser = unpacked::program("usr/lib/chromium/chromium");
    let said = browser
        .env("HOME", profile.path())
        .args(["--headless", "--no-sandbox", "--disable-gpu"])
        .args(["--no-first-run", "--disable-background-networking"])
        .args(["--disable-component-update", "--disable-default-apps"])
        .args(["--disable-sync", "--disable-dev-shm-usage"])
        .arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
        .args(["--enable-logging=stderr", "--virtual-time-budget=5000"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg("--dump-dom")
        .arg(format!("http://{address}/"))
        .output()
        .expect("starting chromium");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (page, log) = (text(&said.stdout), text(&said.stderr));
    assert!(said.status.success(), "{}: {log}", said.status);
    (page, log)
}

/// The row of a forward.
#[track_caller]
fn row<'a>(page: &'a str, forward: &str) -> &'a str {
    let rows = page.split("<tr ").find(|row| row.contains(forward));
    rows.unwrap_or_else(|| panic!("no {forward} in\n{page}"))
}

#[test]
#[ignore = "needs chromium: make page"]
fn the_page_of_a_running_node_shows_its_state_and_forwards() {
    let echo = Server::echo();
    peer();
    let settings = Settings::on(tailnet())
        .set("TS_HOSTNAME", "on-the-page")
        .set("TS_ADMIN_ADDR", "127.0.0.1:0");
    let target = echo.address();
    let file = format!(
        r#"
        [[expose]]
        listen = 7000
        target = "{target}"
        [[expose]]
        listen = 7001
        target = "{target}"
        allow = "user:nobody@example.com"
        "#
    );
    let file = settings.directory().write_secret("page.toml", &file);
    let node = settings.set("TS_CONFIG", file).start(tailnet());
    peer().greet(node.address());
    let line = node.wait_for_text("the admin endpoint listens");
    let (_, address) = line.split_once("address=").expect("an address");
    let address = address.split_whitespace().next().unwrap();
    let address: SocketAddr = address.parse().unwrap();

    let mut client = peer().dial(node.at(7000));
    client.write_all(&[b'x'; 2048]).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    client.read_to_end(&mut Vec::new()).unwrap();
    let _held = peer().dial(node.at(7000));
    let _denied = peer().dial(node.at(7001));
    eventually("one is open, one ended, one denied", PATIENCE, || {
        let metrics = http::request(address, "GET", "/metrics").body;
        [
            "tailport_connections_active{forward=\"expose 7000/tcp\"} 1\n",
            "tailport_connections_ended_total{forward=\"expose 7000/tcp\",how=\"clean\"} 1\n",
            "tailport_connections_ended_total{forward=\"expose 7001/tcp\",how=\"denied\"} 1\n",
        ]
        .iter()
        .all(|line| metrics.contains(line))
    });

    let (page, log) = shown(address);
    for text in [
        ">on-the-page</h1>",
        ">Ready</span>",
        "<dd>Running</dd>",
        &format!("{}", node.address()),
        "1 of 1000 open, 3 so far, 0 refused, 1 denied",
        "The node is well.",
    ] {
        assert!(page.contains(text), "{text:?} is not in\n{page}\n{log}");
    }
    let carried = row(&page, ">expose 7000/tcp</th>");
    for cell in [
        format!("data-label=\"Target\" role=\"cell\">{target}</td>"),
        "data-label=\"Open\" class=\"number\" role=\"cell\">1</td>".to_owned(),
        "data-label=\"So far\" class=\"number\" role=\"cell\">2</td>".to_owned(),
        "data-label=\"Denied\" class=\"number\" role=\"cell\">0</td>".to_owned(),
    ] {
        assert!(carried.contains(&cell), "{cell:?} is not in\n{carried}");
    }
    assert!(carried.contains("2.0 KiB</td>"), "{carried}");
    let denied = row(&page, ">expose 7001/tcp</th>");
    let cell = "data-label=\"Denied\" class=\"number bad\" role=\"cell\">1</td>";
    assert!(denied.contains(cell), "{denied}");
    // A policy that the page breaks is a line on its console.
    assert!(!log.contains("CONSOLE"), "the browser complains: {log}");
}
