//! Looking at the program while it runs: the control socket, and the verbs that ask there.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::stage::{self, ask};
use crate::support::home::Home;
use crate::support::patience::{PATIENCE, eventually, eventually_some};
use crate::support::settings::Settings;
use crate::support::socket;
use crate::support::tailnet::Tailnet;
use crate::support::tailport::Tailport;

const STOPPING: Duration = Duration::from_secs(10);

/// `status --json`, and whether it said ready.
#[track_caller]
fn status(node: &Tailport) -> (bool, Value) {
    let (code, out, err) = ask(node.home(), &["status", "--json"]);
    assert!(code == 0 || code == 69, "{code}: {err}");
    let report = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    (code == 0, report)
}

fn control_socket(home: &Home) -> PathBuf {
    home.state().join("control.sock")
}

#[test]
fn status_tells_what_ready_told_and_what_was_carried() {
    let target = socket::listen();
    let settings = stage::settings().set("TS_HOSTNAME", "seen");
    let node = stage::start(&settings.expose(7000, socket::address(&target)));
    let mode = fs::metadata(control_socket(node.home())).unwrap();
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);

    let (ready, report) = status(&node);
    assert!(ready, "{report}");
    assert_eq!(report["node"]["hostname"], "seen");
    assert_eq!(report["node"]["addresses"], json!(node.ready().addresses));
    assert_eq!(report["node"]["state"], "Running");
    assert_eq!(report["forwards"][0]["name"], "expose 7000/tcp");
    assert_eq!(report["forwards"][0]["accepted"], 0);

    let mut client = stage::peer().dial(node.at(7000));
    let mut served = socket::accept(&target);
    client.write_all(b"question").unwrap();
    eventually("bytes are counted while they flow", PATIENCE, || {
        status(&node).1["forwards"][0]["to_target_bytes"] == 8
    });
    assert_eq!(status(&node).1["connections"]["active"], 1);
    served.write_all(b"answer").unwrap();
    drop((client, served));
    let past = eventually_some("the end is remembered", PATIENCE, || {
        status(&node).1["recent"].get(0).cloned()
    });
    assert_eq!(past["forward"], "expose 7000/tcp");
    assert_eq!(
        (&past["to_target_bytes"], &past["to_peer_bytes"]),
        (&json!(8), &json!(6))
    );

    let (code, text, _) = ask(node.home(), &["status"]);
    assert_eq!(code, 0);
    assert!(
        text.starts_with("seen is ready\n") && !text.contains('\x1b'),
        "{text}"
    );
}

#[test]
fn nothing_that_is_told_has_the_key_in_it() {
    let key = stage::tailnet().key();
    let settings = stage::settings()
        .unset("TS_AUTHKEY_FILE")
        .set("TS_AUTHKEY", key);
    let node = stage::start(&settings.expose(7000, "127.0.0.1:9"));
    for path in [
        "/livez", "/readyz", "/status", "/metrics", "/peers", "/nothing",
    ] {
        let mut stream = UnixStream::connect(control_socket(node.home())).expect("connecting");
        stream.set_read_timeout(Some(PATIENCE)).expect("a bound");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").expect("asking");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("being answered");
        assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
        assert!(!answer.contains(key), "{path}: {answer}");
        if path == "/metrics" {
            for name in ["tailport_library_goroutines", "tailport_ready 1"] {
                assert!(answer.contains(name), "{name} is not in {answer}");
            }
        }
    }
}

#[test]
fn status_answers_while_every_place_is_taken() {
    let target = socket::listen();
    let settings = stage::settings().set("TS_MAX_CONNECTIONS", "2");
    let port = stage::peer_port();
    let _listening = stage::peer().listen(port, socket::address(&target));
    let to = std::net::SocketAddr::new(stage::peer().address(), port);
    let node = stage::start(&settings.connect(to));
    let mut storm = Vec::new();
    let report = eventually_some("places are taken and clients refused", PATIENCE, || {
        for _ in 0..50 {
            // Refused ones are reset, some before they know that they are connected.
            storm.extend(socket::try_connect(node.local()));
        }
        let (ready, report) = status(&node);
        assert!(ready, "{report}");
        let full = report["connections"]["active"] == 2;
        let refused = report["connections"]["refused"].as_u64() > Some(50);
        (full && refused).then_some(report)
    });
    assert_eq!(report["connections"]["limit"], 2);
}

#[test]
fn a_login_that_is_waited_for_is_in_status_before_ready() {
    let tailnet = Tailnet::start();
    tailnet.key_policy("login");
    let settings = Settings::without_key(&tailnet).expose(7000, "127.0.0.1:9");
    let mut node = settings.spawn();
    node.wait_for_text("To log this node in, visit: ");
    let (ready, report) = status(&node);
    assert!(!ready);
    let url = report["node"]["login_url"].as_str().expect("a URL");
    let (code, out, err) = ask(node.home(), &["status"]);
    assert_eq!(code, 69);
    assert!(out.contains(url), "{out}");
    assert!(
        err.starts_with("not ready: ") && err.contains("log this node in"),
        "{err}"
    );
    tailnet.complete_login(url);
    node.wait_ready();
    let (ready, report) = status(&node);
    assert!(ready && report["node"]["login_url"].is_null(), "{report}");
}

#[test]
fn a_key_that_expires_is_told_and_a_new_start_of_it_too() {
    let tailnet = Tailnet::start();
    let settings = Settings::on(&tailnet).set("TS_HOSTNAME", "expiring");
    let node = settings.expose(7000, "127.0.0.1:9").start(&tailnet);
    tailnet.expire("expiring");
    let report = eventually_some("it is not ready", PATIENCE, || {
        let (ready, report) = status(&node);
        (!ready).then_some(report)
    });
    let codes: Vec<_> = report["reasons"].as_array().into_iter().flatten().collect();
    let code = |wanted| codes.iter().any(|reason| reason["code"] == wanted);
    assert!(code("not_running") || code("key_expired"), "{report}");
    tailnet.extend("expiring");
    eventually("it is ready again", PATIENCE, || status(&node).0);
}

#[test]
fn the_socket_goes_with_the_program_and_one_left_behind_is_replaced() {
    let settings = Settings::on(stage::tailnet()).expose(7000, "127.0.0.1:9");
    let mut first = settings.start(stage::tailnet());
    assert!(status(&first).0);
    first.kill();
    first.wait_exit(STOPPING);
    let home = first.home().clone();
    assert!(
        control_socket(&home).exists(),
        "nobody was there to remove it"
    );
    let (code, out, err) = ask(&home, &["status"]);
    assert_eq!((code, out.as_str()), (69, ""));
    assert!(err.contains("no tailport runs"), "{err}");

    let mut second = settings
        .unset("TS_AUTHKEY_FILE")
        .home(&home)
        .start(stage::tailnet());
    assert!(status(&second).0);
    second.terminate();
    assert_eq!(second.wait_code(STOPPING), 0);
    assert!(!control_socket(&home).exists());
    let (code, _, err) = ask(&home, &["peers"]);
    assert_eq!(code, 69);
    assert!(err.contains("no tailport runs"), "{err}");
}

#[test]
fn asking_needs_the_state_directory_and_nothing_else() {
    let node = Settings::bare();
    let wrong = node
        .clone()
        .set("TS_TIMEOUT", "soon")
        .arguments(&["status"]);
    let output = wrong.command().output().unwrap();
    assert_eq!(output.status.code(), Some(69), "{output:?}");
    let nowhere = node.set("TS_STATE_DIR", "https://x").arguments(&["status"]);
    let output = nowhere.command().output().unwrap();
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("TS_STATE_DIR"));
}
