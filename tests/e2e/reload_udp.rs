//! Another target for datagrams while a flow is there: later flows go to it, and a
//! forward that takes the place of another has the port at once, on the tailnet and on
//! this machine.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use crate::stage::{self, ask};
use crate::support::patience::{PATIENCE, eventually};
use crate::support::tailport::Tailport;

/// How long an answer is waited for before the question is put again.
const ANSWER: Duration = Duration::from_millis(500);

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    socket.set_read_timeout(Some(ANSWER)).expect("a bound");
    socket
}

fn at(socket: &UdpSocket) -> SocketAddr {
    socket.local_addr().expect("an address")
}

fn start(text: &str) -> (Tailport, PathBuf) {
    let settings = stage::settings();
    let file = settings.directory().write_secret("tailport.toml", text);
    let path = file.to_str().expect("UTF-8");
    (stage::start(&settings.arguments(&["--config", path])), file)
}

/// Makes a forward another one by a reload, which says what it did.
#[track_caller]
fn change((node, file): &(Tailport, PathBuf), text: &str, said: &[&str]) {
    fs::write(file, text).expect("writing the file");
    let (code, out, err) = ask(node.home(), &["reload"]);
    assert_eq!(code, 0, "{err}");
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines.len(), said.len(), "{out}");
    for (line, said) in lines.iter().zip(said) {
        assert!(line.starts_with(said), "{out}");
    }
}

/// A datagram comes from the client to the target, and one comes back.
#[track_caller]
fn reaches(client: &UdpSocket, entry: SocketAddr, target: &UdpSocket) {
    eventually("a question is answered", PATIENCE, || {
        let mut got = [0; 16];
        client.send_to(b"question", entry).expect("sending");
        let from = loop {
            match target.recv_from(&mut got) {
                Ok((length, from)) if &got[..length] == b"question" => break from,
                Ok(_) => {}
                Err(_) => return false,
            }
        };
        target.send_to(b"answer", from).expect("answering");
        client.recv_from(&mut got).is_ok()
    });
}

/// Runs `test` while another client of the entry is never quiet.
fn beside_a_busy_client(entry: SocketAddr, test: impl FnOnce()) {
    let done = AtomicBool::new(false);
    let busy = socket();
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(SeqCst) {
                // Refused for a moment while nobody listens there.
                let _ = busy.send_to(b"busy", entry);
                thread::sleep(Duration::from_millis(20));
            }
        });
        let result = catch_unwind(AssertUnwindSafe(test));
        done.store(true, SeqCst);
        result.unwrap_or_else(|panic| resume_unwind(panic));
    });
}

#[test]
fn datagrams_are_led_to_a_new_target_although_a_flow_to_the_old_one_is_busy() {
    let [one, other, third, client, later] = std::array::from_fn(|_| socket());
    let expose = |first: &UdpSocket| {
        format!(
            "[[expose]]\nlisten = '7001/udp'\ntarget = '{}'\n\
             [[expose]]\nlisten = '7002/udp'\ntarget = '{}'\n",
            at(first),
            at(&other)
        )
    };
    let capped = |text: String| text + "max_connections = 500\n";
    let exposing = start(&expose(&one));
    let entry = at(&socket());
    let connect = |port| {
        let to = exposing.0.at(port);
        format!("[[connect]]\nlisten = '{entry}/udp'\ntarget = '{to}'\n")
    };
    let connecting = start(&connect(7001));
    beside_a_busy_client(entry, || {
        reaches(&client, entry, &one);
        change(&exposing, &expose(&third), &["changed: "]);
        reaches(&later, entry, &third);
        reaches(&client, entry, &one);
        // Another cap takes another listener, in the place of one with a busy flow.
        let replaced = ["removed: ", "added: "];
        change(&connecting, &capped(connect(7002)), &replaced);
        reaches(&client, entry, &other);
    });
}
