//! What the program tells: one READY line, and one line for every connection that
//! has ended.

use std::io::Write;
use std::net::{Shutdown, SocketAddr};

use serde_json::{Value, json};

use crate::stage;
use crate::support::content;

#[test]
fn the_ready_line_tells_name_addresses_and_forwards_and_nothing_else_is_on_stdout() {
    let target = SocketAddr::new(stage::peer().address(), 22);
    let settings = stage::settings()
        .set("TS_HOSTNAME", "told")
        .set("TS_LOG", "debug")
        .set("TS_LOG_FORMAT", "json")
        .expose(2222, "127.0.0.1:22")
        .connect(target);
    let mut node = settings.start(stage::tailnet());
    let lines = node.stdout().lines();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    let ready: Value = serde_json::from_str(lines[0].strip_prefix("READY ").unwrap()).unwrap();
    assert_eq!(ready["hostname"], "told");
    let known = stage::tailnet().node("told").expect("it is known");
    assert_eq!(ready["addresses"], json!(known.addresses));
    assert_eq!(ready["addresses"].as_array().map(Vec::len), Some(2));
    let expose = json!({"kind": "expose", "listen": "2222/tcp", "target": "127.0.0.1:22"});
    assert_eq!(ready["forwards"][0], expose);
    let connect = &ready["forwards"][1];
    assert_eq!(connect["kind"], "connect");
    assert_eq!(connect["target"], target.to_string());
    let listen: SocketAddr = connect["listen"].as_str().unwrap().parse().unwrap();
    assert!(listen.ip().is_loopback() && listen.port() != 0, "{listen}");
    assert_eq!(ready["forwards"].as_array().map(Vec::len), Some(2));

    node.terminate();
    assert_eq!(node.wait_code(crate::support::patience::PATIENCE), 0);
    assert_eq!(node.stdout().lines().len(), 1);
    // The Go half has written nothing past the log.
    let log = node.stderr().lines();
    assert!(!log.is_empty());
    for line in log {
        assert!(serde_json::from_str::<Value>(&line).is_ok(), "{line}");
    }
}

#[test]
fn a_connection_that_has_ended_is_one_line_with_who_where_how_much_how_long_and_how() {
    let pair = stage::pair();
    let lane = pair.lane();
    let (mut client, mut served) = lane.open();
    let from = client.local_addr().unwrap().to_string();
    client.write_all(b"question").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(content::receive(&mut served).unwrap().length, 8);
    served.write_all(b"the answer").unwrap();
    drop(served);
    assert_eq!(content::receive(&mut client).unwrap().length, 10);

    let (expose, connect) = (lane.expose(), lane.connect());
    let near = pair
        .connecting
        .wait_for_closing(|line| line["peer"] == from);
    assert_eq!(near["forward"], connect);
    assert_eq!(
        near["target"],
        format!("{}:{}", lane.exposed_at(), lane.port())
    );
    let met = |line: &Value| line["forward"] == expose && line["to_peer"] == 10;
    let far = pair.exposing.wait_for_closing(met);
    assert_eq!(
        far["target"],
        lane.target().local_addr().unwrap().to_string()
    );
    let peer: SocketAddr = far["peer"].as_str().unwrap().parse().unwrap();
    assert_eq!(peer.ip(), pair.connecting.address());
    for line in [&near, &far] {
        assert_eq!(line["level"], "INFO", "{line}");
        assert_eq!(
            (&line["to_target"], &line["to_peer"]),
            (&json!(8), &json!(10))
        );
        assert_eq!(line["ended"], "clean", "{line}");
        assert_eq!(line["ended_by"], "peer", "{line}");
        assert!(line["duration_ms"].is_u64(), "{line}");
        assert!(line["timestamp"].is_string(), "{line}");
    }
    let count = |lines: Vec<Value>, key: &str, value: &Value| {
        lines.iter().filter(|line| &line[key] == value).count()
    };
    assert_eq!(count(pair.connecting.closings(), "peer", &near["peer"]), 1);
    assert_eq!(count(pair.exposing.closings(), "peer", &far["peer"]), 1);
}
