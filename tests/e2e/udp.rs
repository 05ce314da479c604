//! Datagrams through the built program: a local port of one node leads to a port of
//! another one, which leads to a server of this machine.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::stage;
use crate::support::patience::PATIENCE;
use crate::support::settings::Settings;
use crate::support::tailport::Tailport;

/// The port of the tailnet.
const PORT: u16 = 7053;

/// The most that one datagram holds over IPv4.
const LARGEST: usize = 65507;

const CLIENTS: usize = 1000;

/// After how long a datagram counts as lost and is sent again.
const LOST: Duration = Duration::from_secs(1);

/// How often a thread looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(50);

/// A UDP server on loopback that remembers who has asked, and what first.
pub(crate) struct Responder {
    address: SocketAddr,
    sources: Arc<Mutex<HashMap<SocketAddr, Vec<u8>>>>,
    stopped: Arc<AtomicBool>,
}

impl Responder {
    /// Answers every datagram with what `answer` makes of it.
    pub(crate) fn new(answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> Self {
        let socket = socket();
        socket.set_read_timeout(Some(LOOK)).expect("a timeout");
        let responder = Self {
            address: socket.local_addr().expect("an address"),
            sources: Arc::default(),
            stopped: Arc::default(),
        };
        let (sources, stopped) = (responder.sources.clone(), responder.stopped.clone());
        thread::spawn(move || {
            let mut space = vec![0; LARGEST + 1];
            while !stopped.load(SeqCst) {
                let Ok((length, from)) = socket.recv_from(&mut space) else {
                    continue;
                };
                let mut known = sources.lock().unwrap_or_else(PoisonError::into_inner);
                known
                    .entry(from)
                    .or_insert_with(|| space[..length].to_vec());
                drop(known);
                let _ = socket.send_to(&answer(&space[..length]), from);
            }
        });
        responder
    }

    fn echo() -> Self {
        Self::new(<[u8]>::to_vec)
    }

    /// How many have asked so far and began with these words. Not who has asked
    /// anything: another test's node may still look for one that had this port before.
    fn began_with(&self, words: &[u8]) -> usize {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.values().filter(|first| *first == words).count()
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.stopped.store(true, SeqCst);
    }
}

/// Two nodes with a way for datagrams through both.
pub(crate) struct Way {
    exposing: Tailport,
    connecting: Tailport,
    pub(crate) entry: SocketAddr,
}

impl Way {
    /// A way to a server, with something more in the settings of each node.
    pub(crate) fn to(
        server: &Responder,
        exposing: impl FnOnce(Settings) -> Settings,
        connecting: impl FnOnce(Settings) -> Settings,
    ) -> Self {
        let json = || stage::settings().set("TS_LOG_FORMAT", "json");
        let exposing = exposing(json())
            .set("TS_EXPOSE", format!("{PORT}/udp={}", server.address))
            .start(stage::tailnet());
        let target = exposing.at(PORT);
        let connecting = connecting(json())
            .set("TS_CONNECT", format!("127.0.0.1:0/udp={target}"))
            .start(stage::tailnet());
        let listen = &connecting.ready().forwards[0].listen;
        let entry = listen.strip_suffix("/udp").expect("it says what it is");
        let entry = entry.parse().expect("an address");
        Self {
            exposing,
            connecting,
            entry,
        }
    }

    fn client(&self) -> UdpSocket {
        let socket = socket();
        socket.connect(self.entry).expect("naming the entry");
        socket
    }
}

fn socket() -> UdpSocket {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket on loopback")
}

/// The way of the tests that leave it as it is, and its echo.
fn shared() -> &'static (Way, Responder) {
    static SHARED: OnceLock<(Way, Responder)> = OnceLock::new();
    SHARED.get_or_init(|| {
        let echo = Responder::echo();
        let more = |settings: Settings| settings.set("TS_MAX_CONNECTIONS", "1100");
        (Way::to(&echo, more, more), echo)
    })
}

/// Sends a datagram until it comes back whole; nothing but what was sent before may
/// come instead.
#[track_caller]
fn echoed(client: &UdpSocket, datagram: &[u8], before: &[Vec<u8>]) {
    client.set_read_timeout(Some(LOST)).expect("a timeout");
    let start = Instant::now();
    let mut space = vec![0; LARGEST + 1];
    while start.elapsed() < PATIENCE {
        client.send(datagram).expect("sending");
        while let Ok(length) = client.recv(&mut space) {
            if space[..length] == *datagram {
                return;
            }
            let late = before.iter().any(|old| *old == space[..length]);
            assert!(late, "{length} bytes that nobody sent");
        }
    }
    panic!("a datagram of {} bytes did not come back", datagram.len());
}

/// The closing line of a flow.
#[track_caller]
fn flow_ended(node: &Tailport) -> Value {
    let parsed = |line: &str| {
        let value: Value = serde_json::from_str(line).ok()?;
        (value["message"] == "flow ended").then_some(value)
    };
    let line = node.wait_for_log("the end of a flow", |line| parsed(line).is_some());
    parsed(&line).expect("it was parsed before")
}

#[test]
fn datagrams_keep_their_boundaries_from_nothing_to_the_largest_that_fits() {
    let (way, _) = shared();
    let client = way.client();
    let mut before = Vec::new();
    for size in [1, 0, 1200, 1252, 1253, 9000, LARGEST, 1] {
        let mut datagram = vec![0; size];
        fastrand::Rng::with_seed(size as u64 + 1).fill(&mut datagram);
        echoed(&client, &datagram, &before);
        before.push(datagram);
    }
}

/// Sends each client's number until every one has its own back.
fn round(clients: &[UdpSocket], round: usize) {
    let text = |number: usize| format!("client {number}, round {round}").into_bytes();
    let start = Instant::now();
    let mut waiting: Vec<usize> = (0..clients.len()).collect();
    let mut space = [0; 64];
    while !waiting.is_empty() {
        let left = waiting.len();
        assert!(start.elapsed() < PATIENCE, "{left} clients have no answer");
        for number in &waiting {
            clients[*number].send(&text(*number)).expect("sending");
        }
        let sent = Instant::now();
        while !waiting.is_empty() && sent.elapsed() < LOST {
            waiting.retain(|number| match clients[*number].recv(&mut space) {
                Ok(length) => {
                    let got = String::from_utf8_lossy(&space[..length]).into_owned();
                    let own = format!("client {number}, round ");
                    assert!(got.starts_with(&own), "client {number} got {got:?}");
                    space[..length] != *text(*number)
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
                    true
                }
            });
            thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn a_thousand_clients_at_once_get_their_own_answers_and_nobody_elses() {
    let (way, _) = shared();
    let clients: Vec<_> = (0..CLIENTS).map(|_| way.client()).collect();
    for client in &clients {
        client.set_nonblocking(true).expect("setting a flag");
    }
    round(&clients, 1);
    // All of them are still flows, and go on as the same ones.
    round(&clients, 2);
    for node in [&way.exposing, &way.connecting] {
        let log = node.log();
        assert!(!log.contains("connections refused"), "{log}");
    }
}

#[test]
fn clients_over_the_cap_of_either_node_are_refused_and_reach_nothing() {
    let echo = Responder::echo();
    let cap = |most: &'static str| move |s: Settings| s.set("TS_MAX_CONNECTIONS", most);
    let way = Way::to(&echo, cap("2"), cap("3"));
    let served = [way.client(), way.client()];
    for client in &served {
        echoed(client, b"?", &[]);
    }
    for node in [&way.exposing, &way.connecting] {
        let over = way.client();
        over.send(b"!").expect("sending");
        node.wait_for_text("connections refused");
    }
    for client in &served {
        echoed(client, b"still there", &[b"?".to_vec()]);
    }
    for (words, flows) in [("?", 2), ("!", 0), ("still there", 0)] {
        let began = echo.began_with(words.as_bytes());
        assert_eq!(
            began, flows,
            "flows at the target that began with {words:?}"
        );
    }
}

#[test]
fn a_silent_flow_ends_by_its_idle_time_and_its_client_may_begin_another() {
    let echo = Responder::echo();
    let idle = |settings: Settings| settings.set("TS_IDLE_TIMEOUT", "1s");
    let way = Way::to(&echo, idle, idle);
    let client = way.client();
    echoed(&client, &[7; 100], &[]);
    for (node, kind) in [(&way.exposing, "expose"), (&way.connecting, "connect")] {
        let line = flow_ended(node);
        assert_eq!(line["ended"], "idle", "{line}");
        assert_eq!(line["ended_by"], "tailport", "{line}");
        let forward = line["forward"].as_str().expect("a text");
        assert!(forward.starts_with(kind), "{line}");
        for way in ["to_target", "to_peer"] {
            let datagrams = &line[format!("{way}_datagrams")];
            let datagrams = datagrams.as_u64().expect("a number");
            assert!(datagrams >= 1, "{line}");
            assert_eq!(line[way], datagrams * 100, "{line}");
        }
    }
    let line = flow_ended(&way.exposing);
    assert_eq!(line["target"], echo.address.to_string(), "{line}");
    echoed(&client, b"again", &[vec![7; 100]]);
    for words in [&[7; 100][..], b"again"] {
        assert_eq!(echo.began_with(words), 1, "flows that began with {words:?}");
    }
}
