//! What one peer may take of an expose: it is held to its limits, and nobody else.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;

use serde_json::Value;

use crate::stage;
use crate::support::patience::{PATIENCE, eventually_some};
use crate::support::server::Server;
use crate::support::socket;
use crate::support::tailport::Tailport;

const PORT: u16 = 7000;

/// A node that exposes a server with these keys.
fn exposing(server: &Server, keys: &str) -> Tailport {
    let settings = stage::settings().set("TS_LOG_FORMAT", "json");
    let target = server.address();
    let text = format!("[[expose]]\nlisten = {PORT}\ntarget = '{target}'\n{keys}\n");
    let file = settings.directory().write_secret("tailport.toml", &text);
    stage::start(&settings.set("TS_CONFIG", file))
}

fn is_served(stream: &mut TcpStream) -> bool {
    stream.write_all(b"?").is_ok() && stream.read_exact(&mut [0]).is_ok()
}

/// A connection of the stock peer that is served, if it is.
fn served(node: &Tailport) -> Option<TcpStream> {
    let mut stream = stage::peer().try_dial(node.at(PORT)).ok()?;
    is_served(&mut stream).then_some(stream)
}

#[track_caller]
fn denied(node: &Tailport, reason: &str) -> Value {
    let line = node.wait_for_closing(|line| line["ended"] == "denied");
    assert!(
        line["reason"]
            .as_str()
            .is_some_and(|why| why.contains(reason)),
        "{line}"
    );
    line
}

#[test]
fn a_peer_with_as_many_connections_as_it_may_have_is_denied_and_others_are_not() {
    let echo = Server::echo();
    let node = exposing(&echo, "peer_connections = 2");
    let first = served(&node).expect("a first connection");
    let _second = served(&node).expect("a second connection");
    assert!(served(&node).is_none(), "a third one was served");
    let line = denied(&node, "has 2 connections open already");
    assert_eq!(line["node"], "peer", "{line}");
    assert_eq!(echo.total(), 2, "connections at the target");

    let other = stage::start(&stage::settings().connect(node.at(PORT)));
    assert!(is_served(&mut socket::connect(other.local())));

    drop(first);
    eventually_some("a place is free again", PATIENCE, || served(&node));
}

#[test]
fn a_peer_that_opens_connections_too_fast_is_denied() {
    const RUSH: usize = 20;
    let echo = Server::echo();
    let node = exposing(&echo, "peer_connections_per_second = 2");
    let served = thread::scope(|scope| {
        let clients: Vec<_> = (0..RUSH)
            .map(|_| scope.spawn(|| served(&node).is_some()))
            .collect();
        let served = clients.into_iter().map(|client| client.join());
        served.filter(|served| matches!(served, Ok(true))).count()
    });
    assert!((1..RUSH).contains(&served), "{served} were served");
    denied(&node, "more than 2 connections a second");
    assert_eq!(echo.total(), served, "connections at the target");
}
