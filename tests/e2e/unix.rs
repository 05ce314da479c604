//! Forwards beyond one port to one port: Unix sockets at either end, several targets,
//! ranges of ports.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use crate::stage;
use crate::support::content::{self, MIB};
use crate::support::home::Home;
use crate::support::patience::{PATIENCE, eventually, eventually_some};
use crate::support::socket;

/// A stream that can end its own half.
trait Stream: Read + Write + Send {
    fn finish(&self) -> io::Result<()>;
}

impl Stream for TcpStream {
    fn finish(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl Stream for UnixStream {
    fn finish(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

fn bounded(stream: UnixStream) -> UnixStream {
    stream.set_nonblocking(false).expect("setting a flag");
    stream.set_read_timeout(Some(PATIENCE)).expect("a bound");
    stream.set_write_timeout(Some(PATIENCE)).expect("a bound");
    stream
}

#[track_caller]
fn accept(listener: &UnixListener) -> UnixStream {
    listener.set_nonblocking(true).expect("setting a flag");
    eventually_some("a connection at the socket", PATIENCE, || {
        listener.accept().ok().map(|(stream, _)| bounded(stream))
    })
}

#[track_caller]
fn connect(path: &Path) -> UnixStream {
    bounded(UnixStream::connect(path).expect("connecting"))
}

/// One side says all it has to say and ends; only then the other one does.
#[track_caller]
fn half_closes(mut first: impl Stream, mut second: impl Stream) {
    says_all(&mut first, &mut second, 1);
    says_all(&mut second, &mut first, 2);
}

/// Everything arrives, and then the end of it.
#[track_caller]
fn says_all(from: &mut impl Stream, to: &mut impl Stream, seed: u64) {
    let (got, sent) = std::thread::scope(|scope| {
        let sent = scope.spawn(|| {
            let sent = content::send(from, MIB, seed).expect("sending");
            from.finish().expect("ending this half");
            sent
        });
        let got = content::receive(to).expect("receiving");
        (got, sent.join().expect("sending"))
    });
    assert_eq!(got, sent, "with seed {seed}");
}

/// Listens on so many ports of loopback in a row.
fn listen_in_a_row(count: u16) -> Vec<TcpListener> {
    eventually_some("free ports in a row", PATIENCE, || {
        let first = socket::listen();
        let port = socket::address(&first).port();
        let next = (1..count).map(|more| {
            let port = port.checked_add(more)?;
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()
        });
        std::iter::once(Some(first)).chain(next).collect()
    })
}

/// The first of ports in a row, and the last.
fn range(listeners: &[TcpListener]) -> (u16, u16) {
    let first = socket::address(&listeners[0]).port();
    (first, first + listeners.len() as u16 - 1)
}

#[test]
fn an_expose_leads_to_a_unix_socket_and_half_closes_both_ways() {
    let home = Home::new();
    let path = home.path().join("app.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let settings = stage::settings().set("TS_LOG_FORMAT", "json");
    let target = format!("unix:{}", path.display());
    let node = stage::start(&settings.expose(7000, &target));
    assert_eq!(node.ready().forwards[0].target, target);
    let client = stage::peer().dial(node.at(7000));
    half_closes(client, accept(&listener));
    let client = stage::peer().dial(node.at(7000));
    half_closes(accept(&listener), client);
    eventually("both have ended well", PATIENCE, || {
        node.closings()
            .iter()
            .filter(|line| line["ended"] == "clean")
            .count()
            == 2
    });
    // Nobody there is a failed dial, and the next one finds who is there again.
    drop(listener);
    let mut client = stage::peer().dial(node.at(7000));
    assert!(socket::is_reset(&socket::end_of(&mut client)));
    let closing = node.wait_for_closing(|line| line["ended"] == "dial_failed");
    assert_eq!(closing["target"], target, "{closing}");
    fs::remove_file(&path).unwrap();
    let listener = UnixListener::bind(&path).unwrap();
    half_closes(stage::peer().dial(node.at(7000)), accept(&listener));
}

#[test]
fn a_connect_from_a_unix_socket_is_its_owners_alone_and_half_closes_both_ways() {
    let home = Home::new();
    let path = home.path().join("db.sock");
    let target = socket::listen();
    let port = stage::peer_port();
    let _listening = stage::peer().listen(port, socket::address(&target));
    let to = SocketAddr::new(stage::peer().address(), port);
    let settings = stage::settings();
    let mut node =
        stage::start(&settings.set("TS_CONNECT", format!("unix:{}={to}", path.display())));
    assert_eq!(
        node.ready().forwards[0].listen,
        format!("unix:{}", path.display())
    );
    assert!(node.ready().local().is_empty());
    let metadata = fs::symlink_metadata(&path).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    half_closes(connect(&path), socket::accept(&target));
    let client = connect(&path);
    half_closes(socket::accept(&target), client);
    node.terminate();
    assert_eq!(node.wait_code(PATIENCE), 0);
    assert!(!path.exists(), "the socket is left behind");
}

#[test]
fn a_unix_socket_has_the_mode_of_the_file_and_one_of_somebody_else_is_not_taken() {
    let home = Home::new();
    let [path, taken] = ["group.sock", "taken.sock"].map(|name| home.path().join(name));
    let port = stage::peer_port();
    let to = SocketAddr::new(stage::peer().address(), port);
    let start = |path: &Path| {
        let settings = stage::settings();
        let text = format!(
            "[[connect]]\nlisten = 'unix:{}'\ntarget = '{to}'\nmode = '0660'",
            path.display()
        );
        let file = settings.directory().write_secret("tailport.toml", &text);
        settings.arguments(&["--config", file.to_str().expect("UTF-8")])
    };
    // A socket that nobody listens on is one that was left behind.
    drop(UnixListener::bind(&path).unwrap());
    let _node = stage::start(&start(&path));
    let mode = fs::symlink_metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);

    let _owner = UnixListener::bind(&taken).unwrap();
    let mut refused = start(&taken).spawn();
    assert_eq!(refused.wait_code(PATIENCE), 1);
    let wanted = format!("listening on unix:{}: ", taken.display());
    assert!(refused.log().contains(&wanted), "{}", refused.log());
    assert!(UnixStream::connect(&taken).is_ok(), "its owner lost it");
}

#[test]
fn the_second_target_serves_while_the_first_refuses_and_no_longer() {
    let (first, preferred) = socket::refusing();
    let second = socket::listen();
    let targets = format!("{preferred}|{}", socket::address(&second));
    let node = stage::start(&stage::settings().expose(7000, &targets));
    assert_eq!(node.ready().forwards[0].target, targets);
    let carries = |listener: &TcpListener| {
        let mut client = stage::peer().dial(node.at(7000));
        let mut served = socket::accept(listener);
        client.write_all(b"?").unwrap();
        served.read_exact(&mut [0]).unwrap();
    };
    for _ in 0..3 {
        carries(&second);
    }
    first.listen(16).unwrap();
    let first = TcpListener::from(first);
    // It is passed over for a while, and then gets everything again.
    eventually("the first one is tried again", PATIENCE, || {
        let _client = stage::peer().dial(node.at(7000));
        eventually_some("somebody is dialed", PATIENCE, || {
            let preferred = socket::accept_now(&first).map(|_| true);
            preferred.or_else(|| socket::accept_now(&second).map(|_| false))
        })
    });
    for _ in 0..3 {
        carries(&first);
        assert!(socket::accept_now(&second).is_none());
    }
}

#[test]
fn a_range_of_ports_is_a_forward_for_each_in_order_either_way() {
    let targets = listen_in_a_row(3);
    let (first, last) = range(&targets);
    let exposing = stage::start(
        &stage::settings().set("TS_EXPOSE", format!("9000-9002=127.0.0.1:{first}-{last}")),
    );
    let listens: Vec<_> = exposing
        .ready()
        .forwards
        .iter()
        .map(|one| &one.listen)
        .collect();
    assert_eq!(listens, ["9000/tcp", "9001/tcp", "9002/tcp"]);
    // Given back as late as can be, so that nobody else takes them.
    let entries = listen_in_a_row(3);
    let (from, to) = range(&entries);
    let settings = stage::settings().set("TS_DIAL_TIMEOUT", "20s");
    let address = exposing.address();
    let connect = format!("127.0.0.1:{from}-{to}={address}:9000-9002");
    drop(entries);
    let connecting = stage::start(&settings.set("TS_CONNECT", connect));
    let local = connecting.ready().local();
    assert_eq!(local.len(), targets.len());
    for (at, target) in targets.iter().enumerate() {
        assert_eq!(usize::from(local[at].port() - from), at);
        half_closes(socket::connect(local[at]), socket::accept(target));
    }
}
