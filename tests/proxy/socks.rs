//! SOCKS5: what clients say and hear, and that the rest is an ordinary connection.

use std::{fmt, net::SocketAddr, process::Command, sync::Arc, time::Duration};

use tailport::{
    proxy::{
        Forward, Settings,
        destination::{Destination, Host},
        endpoint::{Dial, DialError, DialErrorKind},
        gate::Open,
        kernel::KernelStream,
        origin::Origin,
        relay::Limits,
        resolve::Resolver,
        slots::Slots,
        socks::{Login, Rules, SocksListener, SocksTarget},
        target::KernelTarget,
        udp::UdpTarget,
    },
    shutdown::Shutdown,
    telemetry::metrics::{Ended, Metrics},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::task::TaskTracker;

use crate::{
    log,
    serving::{KEEPALIVE, Serving, echo, listener, serve},
    support::{MIB, drain, hash, is_reset, pattern},
};

/// Offers no method but none.
const HELLO: &[u8] = &[5, 1, 0];
/// The answer to it.
const WELCOME: &[u8] = &[5, 0];
const SUCCEEDED: [u8; 10] = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0];

/// What a client asks for: a command, and a host as a name.
fn request(command: u8, host: &str, port: u16) -> Vec<u8> {
    let mut bytes = vec![5, command, 0, 3, u8::try_from(host.len()).unwrap()];
    bytes.extend_from_slice(host.as_bytes());
    bytes.extend_from_slice(&port.to_be_bytes());
    bytes
}

fn connect(to: SocketAddr) -> Vec<u8> {
    request(1, &to.ip().to_string(), to.port())
}

/// Names of a hosts file, which all mean this machine.
pub(crate) struct Names {
    resolver: Arc<Resolver>,
    _hosts: tempfile::NamedTempFile,
}

impl Names {
    pub(crate) fn new() -> Arc<Self> {
        let hosts = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(hosts.path(), "127.0.0.1 box\n::1 box6\n").unwrap();
        Arc::new(Self {
            resolver: Arc::new(Resolver::new(hosts.path(), "/nowhere/resolv.conf")),
            _hosts: hosts,
        })
    }

    fn tcp(&self, to: &Destination) -> KernelTarget {
        KernelTarget::new(host(to), to.port(), Arc::clone(&self.resolver), KEEPALIVE)
    }

    pub(crate) fn udp(&self, to: &Destination) -> UdpTarget {
        UdpTarget::new(host(to), to.port(), Arc::clone(&self.resolver))
    }
}

fn host(to: &Destination) -> String {
    match to.host() {
        Host::Name(name) => name.clone(),
        Host::Address(address) => address.to_string(),
    }
}

/// Datagrams that go nowhere, because none are sent.
fn no_datagrams(_: &Destination) -> UdpTarget {
    UdpTarget::new("127.0.0.1", 9, Arc::default())
}

/// Leads to this machine.
async fn socks(rules: Rules) -> Serving {
    let names = Names::new();
    let target = SocksTarget::new(move |to: &Destination| names.tcp(to));
    let (address, accept) = listener().await;
    let accept = SocksListener::new(accept, rules, no_datagrams);
    serve(address, accept, target, 2)
}

pub(crate) fn reach(list: &[&str]) -> Rules {
    Rules {
        login: None,
        reach: Some(list.iter().map(|entry| entry.parse().unwrap()).collect()),
    }
}

pub(crate) fn login() -> Rules {
    Rules {
        login: Some(Login::new("user".into(), "secret".into()).unwrap()),
        reach: None,
    }
}

/// Says hello and asks; the answer's code.
async fn ask(address: SocketAddr, request: &[u8]) -> (TcpStream, u8) {
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(HELLO).await.unwrap();
    let mut welcome = [0; 2];
    client.read_exact(&mut welcome).await.unwrap();
    assert_eq!(welcome, WELCOME);
    client.write_all(request).await.unwrap();
    let mut answer = [0; 10];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!((answer[0], &answer[2..]), (5, &SUCCEEDED[2..]));
    (client, answer[1])
}

/// Every slot is back, and every connection ended this way.
async fn all_ended(serving: Serving, ended: Ended, target: &str) {
    let slots = serving.slots.clone();
    let metrics = serving.finish().await;
    let counts = metrics.snapshot();
    assert_eq!(counts.ended(ended), counts.accepted, "{counts:?}");
    assert_eq!((counts.active, slots.free()), (0, 2));
    let past = metrics.recent().newest_first();
    assert_eq!(past.len() as u64, counts.accepted);
    assert!(past.iter().all(|past| past.target == target), "{past:?}");
}

#[tokio::test]
async fn names_and_addresses_lead_where_they_say_and_the_log_says_so_too() {
    let target = echo().await;
    for host in ["box", "127.0.0.1", "::ffff:127.0.0.1"] {
        let serving = socks(Rules::default()).await;
        let asked = request(1, host, target.port());
        let (mut client, code) = ask(serving.address, &asked).await;
        assert_eq!(code, 0, "{host}");
        client.write_all(b"ping").await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(drain(&mut client).await.0, b"ping");
        let shown = if host == "box" { "box" } else { "127.0.0.1" };
        let target = format!("{shown}:{}", target.port());
        all_ended(serving, Ended::Clean, &target).await;
    }
}

#[tokio::test]
async fn bytes_that_come_one_by_one_are_the_same_conversation() {
    let target = echo().await;
    let serving = socks(Rules::default()).await;
    let mut client = TcpStream::connect(serving.address).await.unwrap();
    client.set_nodelay(true).unwrap();
    for byte in [HELLO, &connect(target), b"ping"].concat() {
        client.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    client.shutdown().await.unwrap();
    let heard = drain(&mut client).await.0;
    assert_eq!(heard, [WELCOME, &SUCCEEDED, b"ping"].concat());
    all_ended(serving, Ended::Clean, &target.to_string()).await;
}

#[tokio::test]
async fn what_is_sent_with_the_request_is_the_targets_to_the_last_byte() {
    let target = echo().await;
    let serving = socks(Rules::default()).await;
    let payload = pattern(3 * MIB, 5);
    let mut client = TcpStream::connect(serving.address).await.unwrap();
    let (mut read, mut write) = client.split();
    let all = [HELLO, &connect(target), &payload].concat();
    let sending = async {
        write.write_all(&all).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let ((), (heard, error)) = tokio::join!(sending, drain(&mut read));
    assert!(error.is_none());
    let (said, echoed) = heard.split_at(12);
    assert_eq!(said, [WELCOME, &SUCCEEDED].concat());
    assert_eq!(hash(echoed), hash(&payload));
    all_ended(serving, Ended::Clean, &target.to_string()).await;
}

#[tokio::test]
async fn each_side_may_end_first_and_still_hear_the_other() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = server.local_addr().unwrap();
    for client_first in [true, false] {
        let serving = socks(Rules::default()).await;
        let (mut client, code) = ask(serving.address, &connect(target)).await;
        assert_eq!(code, 0);
        let (mut served, _) = server.accept().await.unwrap();
        let (first, second) = match client_first {
            true => (&mut client, &mut served),
            false => (&mut served, &mut client),
        };
        first.write_all(b"all I have").await.unwrap();
        first.shutdown().await.unwrap();
        assert_eq!(drain(second).await.0, b"all I have");
        second.write_all(b"a late answer").await.unwrap();
        second.shutdown().await.unwrap();
        let (heard, error) = drain(first).await;
        assert_eq!((&*heard, error.is_none()), (&b"a late answer"[..], true));
        all_ended(serving, Ended::Clean, &target.to_string()).await;
    }
}

#[tokio::test]
async fn only_the_right_user_and_password_get_on() {
    let target = echo().await;
    let say = |user: &str, password: &str| {
        let mut bytes = vec![1, u8::try_from(user.len()).unwrap()];
        bytes.extend_from_slice(user.as_bytes());
        bytes.push(u8::try_from(password.len()).unwrap());
        bytes.extend_from_slice(password.as_bytes());
        bytes
    };
    let offer = &[5, 2, 0, 2][..];
    let talk = async |said: Vec<u8>| {
        let serving = socks(login()).await;
        let mut client = TcpStream::connect(serving.address).await.unwrap();
        client.write_all(&said).await.unwrap();
        client.shutdown().await.unwrap();
        let (heard, error) = drain(&mut client).await;
        assert!(error.is_none(), "{error:?}");
        (serving, heard)
    };

    let right = [offer, &say("user", "secret"), &connect(target), b"ping"].concat();
    let (serving, heard) = talk(right).await;
    assert_eq!(heard, [&[5, 2, 1, 0][..], &SUCCEEDED, b"ping"].concat());
    all_ended(serving, Ended::Clean, &target.to_string()).await;

    for (user, password) in [("user", "Secret"), ("", ""), ("root", "secret")] {
        let wrong = [offer, &say(user, password), &connect(target)].concat();
        let (serving, heard) = talk(wrong).await;
        assert_eq!(heard, [5, 2, 1, 1], "{user} {password}");
        all_ended(serving, Ended::OpenFailed, "socks5").await;
    }
    // Without an offer of a password there is no way on.
    let (serving, heard) = talk([HELLO, &connect(target)].concat()).await;
    assert_eq!(heard, [5, 0xff]);
    all_ended(serving, Ended::OpenFailed, "socks5").await;
}

#[tokio::test]
async fn no_line_of_the_log_has_a_user_or_a_password() {
    let target = echo().await;
    for (password, ended) in [("planted-password", "open_failed"), ("secret", "clean")] {
        let serving = socks(login()).await;
        let mut client = TcpStream::connect(serving.address).await.unwrap();
        let mut said = vec![5, 1, 2, 1, 4];
        said.extend_from_slice(b"user");
        said.push(u8::try_from(password.len()).unwrap());
        said.extend_from_slice(password.as_bytes());
        said.extend_from_slice(&connect(target));
        client.write_all(&said).await.unwrap();
        client.shutdown().await.unwrap();
        drain(&mut client).await;
        let peer = client.local_addr().unwrap();
        serving.finish().await;
        let line = log::closing(&peer.to_string());
        assert_eq!(line["ended"], ended);
        match ended {
            "clean" => assert_eq!(line["target"], target.to_string()),
            _ => assert_eq!(line["error"], "wrong user or password"),
        }
        assert!(!line.to_string().contains(password), "{line}");
    }
    assert!(!log::has("planted-password"));
}

#[tokio::test]
async fn what_is_not_allowed_or_not_served_is_answered_and_ended() {
    let target = echo().await;
    let port = target.port();
    for (asked, code) in [
        (request(1, "127.0.0.2", port), 2),
        (request(1, "box", port ^ 1), 2),
        (request(2, "box", port), 7),
        (request(9, "box", port), 7),
        (request(1, "box", 0), 1),
        (request(1, "a b", port), 1),
        (vec![5, 1, 0, 2, 0, 0], 8),
    ] {
        let rules = reach(&[&format!("box:{port}"), "127.0.0.1"]);
        let serving = socks(rules).await;
        // What comes behind the request must not reset the answer away.
        let asked = [&asked[..], &pattern(100_000, 1)].concat();
        let (mut client, got) = ask(serving.address, &asked).await;
        assert_eq!(got, code, "{:?}", &asked[..10]);
        assert!(drain(&mut client).await.0.is_empty());
        drop(client);
        all_ended(serving, Ended::OpenFailed, "socks5").await;
    }
    let serving = socks(reach(&["box"])).await;
    let (client, code) = ask(serving.address, &request(1, "BOX.", port)).await;
    assert_eq!(code, 0);
    drop(client);
    serving.finish().await;
}

/// A destination whose dial fails in one way.
struct Fails(DialErrorKind);

impl fmt::Display for Fails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nowhere")
    }
}

impl Dial for Fails {
    type Stream = KernelStream;

    async fn dial(&self, _: &Origin, _: Duration) -> Result<KernelStream, DialError> {
        Err(DialError::new(self.0, ""))
    }
}

#[tokio::test]
async fn a_dial_that_fails_is_answered_by_its_reason() {
    for (kind, code) in [
        (DialErrorKind::Refused, 5),
        (DialErrorKind::NotInTailnet, 2),
        (DialErrorKind::UnknownName, 4),
        (DialErrorKind::Unreachable, 3),
        (DialErrorKind::TimedOut, 6),
        (DialErrorKind::NotRunning, 1),
    ] {
        let (address, accept) = listener().await;
        let target = SocksTarget::new(move |_: &Destination| Fails(kind));
        let accept = SocksListener::new(accept, Rules::default(), no_datagrams);
        let serving = serve(address, accept, target, 2);
        let (mut client, got) = ask(address, &request(1, "box", 80)).await;
        assert_eq!(got, code, "{kind}");
        let (rest, error) = drain(&mut client).await;
        assert!(rest.is_empty() && error.is_none(), "{error:?}");
        drop(client);
        all_ended(serving, Ended::DialFailed, "nowhere").await;
    }
}

#[tokio::test]
async fn garbage_gets_no_answer_and_no_target() {
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[4, 1, 0, 80], &[0; 600]] {
        let serving = socks(Rules::default()).await;
        let mut client = TcpStream::connect(serving.address).await.unwrap();
        client.write_all(garbage).await.unwrap();
        let (heard, error) = drain(&mut client).await;
        assert!(heard.is_empty() && is_reset(error.as_ref()), "{error:?}");
        all_ended(serving, Ended::OpenFailed, "socks5").await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_half_way_gives_its_slot_back() {
    let all = [HELLO, &request(1, "box", 80)].concat();
    for length in 0..all.len() {
        let serving = socks(Rules::default()).await;
        let mut client = TcpStream::connect(serving.address).await.unwrap();
        client.write_all(&all[..length]).await.unwrap();
        client.shutdown().await.unwrap();
        drain(&mut client).await;
        all_ended(serving, Ended::OpenFailed, "socks5").await;
    }
}

#[tokio::test]
async fn a_client_that_says_nothing_more_has_the_dials_time_and_no_longer() {
    let (address, accept) = listener().await;
    let slots = Slots::new(1);
    let forward = Forward {
        name: "slow".into(),
        accept: SocksListener::new(accept, Rules::default(), no_datagrams),
        gate: Open,
        dial: SocksTarget::new(|_: &Destination| Fails(DialErrorKind::Refused)),
        settings: Settings {
            dial_timeout: Duration::from_millis(50),
            limits: Limits::new(Duration::ZERO),
        },
        slots: slots.clone(),
        metrics: Arc::new(Metrics::default()),
    };
    let (metrics, tracker) = (Arc::clone(&forward.metrics), TaskTracker::new());
    let shutdown = Shutdown::default();
    let (serving, _switch) = forward.split(&tracker, &shutdown);
    let task = tokio::spawn(serving.run());
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(&[5, 1]).await.unwrap();
    assert!(is_reset(drain(&mut client).await.1.as_ref()));
    shutdown.drain.cancel();
    task.await.unwrap().unwrap();
    tracker.close();
    tracker.wait().await;
    assert_eq!(slots.free(), 1);
    assert_eq!(metrics.snapshot().ended(Ended::OpenFailed), 1);
}

#[tokio::test]
async fn an_abort_ends_a_conversation_too() {
    let serving = socks(Rules::default()).await;
    let mut client = TcpStream::connect(serving.address).await.unwrap();
    client.write_all(HELLO).await.unwrap();
    client.read_exact(&mut [0; 2]).await.unwrap();
    serving.shutdown.abort.cancel();
    assert!(is_reset(drain(&mut client).await.1.as_ref()));
    all_ended(serving, Ended::Aborted, "socks5").await;
}

#[tokio::test]
#[ignore = "needs curl"]
async fn curl_reaches_a_name_that_only_the_server_knows() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = server.local_addr().unwrap().port();
    let serving = socks(login()).await;
    let proxy = serving.address.to_string();
    let curl = tokio::task::spawn_blocking(move || {
        Command::new("curl")
            .args(["-sS", "--max-time", "30", "--noproxy", ""])
            .args(["--socks5-hostname", &proxy, "-U", "user:secret"])
            .arg(format!("http://box:{port}/"))
            .output()
            .unwrap()
    });
    let (mut stream, _) = server.accept().await.unwrap();
    let mut asked = vec![0; 1024];
    let read = stream.read(&mut asked).await.unwrap();
    assert!(asked[..read].starts_with(b"GET / HTTP/1.1\r\n"));
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        .await
        .unwrap();
    drop(stream);
    let output = curl.await.unwrap();
    assert_eq!(output.stdout, b"hello", "{output:?}");
    all_ended(serving, Ended::Clean, &format!("box:{port}")).await;
}
