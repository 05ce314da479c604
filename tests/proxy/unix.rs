//! Unix sockets, as where connections come from and where they go to.

use std::{
    fs, io,
    net::SocketAddr,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use tailport::{
    proxy::{
        endpoint::{Accept, Dial, DialErrorKind, End, Incoming, Stream},
        kernel::{Access, KernelStream, UnixListener},
        peer::Peer,
        relay::Limits,
        summary::DirectionEnd,
        target::{LocalTarget, UnixTarget},
    },
    telemetry::metrics::Ended,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::timeout,
};

use crate::{
    serving::{echo, kernel_target, serve},
    support::{MIB, ORDERS, PATIENCE, drain, is_reset, nobody, pattern, start, unlimited},
};

fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.sock");
    (dir, path)
}

async fn bind(path: &Path) -> io::Result<UnixListener> {
    UnixListener::bind(path, Access::default()).await
}

fn names(dir: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(dir.path()).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// The two ends of a unix connection: the relay's, and the test's.
fn pair() -> (KernelStream, UnixStream) {
    let (inner, outer) = UnixStream::pair().unwrap();
    (KernelStream::unix(inner), outer)
}

#[tokio::test]
async fn a_socket_has_its_mode_and_goes_with_its_listener() {
    let (dir, path) = place();
    for mode in [0o600, 0o660, 0o666] {
        let group = fs::metadata(dir.path()).unwrap().gid();
        let access = Access {
            mode,
            uid: None,
            gid: Some(group),
        };
        let listener = UnixListener::bind(&path, access).await.unwrap();
        let data = fs::metadata(&path).unwrap();
        assert_eq!(data.permissions().mode() & 0o7777, mode);
        assert_eq!(data.gid(), group);
        assert_eq!(names(&dir), ["app.sock"]);
        drop(listener);
        assert!(names(&dir).is_empty());
    }
}

#[tokio::test]
async fn what_a_crash_left_is_replaced() {
    let (dir, path) = place();
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert_eq!(names(&dir), ["app.sock"]);
    let mut listener = bind(&path).await.unwrap();
    let (client, incoming) = tokio::join!(UnixStream::connect(&path), listener.accept());
    client.unwrap();
    let uid = rustix::process::getuid().as_raw();
    assert_eq!(incoming.unwrap().peer(), Peer::Unix { uid: Some(uid) });
}

#[tokio::test]
async fn a_socket_in_use_stays_with_who_has_it() {
    let (dir, path) = place();
    let first = bind(&path).await.unwrap();
    let error = bind(&path).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{error}");
    UnixStream::connect(&path).await.unwrap();
    assert_eq!(names(&dir), ["app.sock"]);
    drop(first);

    let other = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    let error = bind(&path).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{error}");
    drop(other);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_want_one_place_exactly_one_gets_it() {
    for _ in 0..20 {
        let (dir, path) = place();
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let racers: Vec<_> = (0..8)
            .map(|_| {
                let path = path.clone();
                tokio::spawn(async move { bind(&path).await })
            })
            .collect();
        let mut won = Vec::new();
        for racer in racers {
            match racer.await.unwrap() {
                Ok(listener) => won.push(listener),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{error}"),
            }
        }
        assert_eq!(won.len(), 1);
        UnixStream::connect(&path).await.unwrap();
        assert_eq!(names(&dir), ["app.sock"]);
    }
}

#[tokio::test]
async fn what_is_no_socket_is_never_touched() {
    let (dir, path) = place();
    fs::write(&path, "data").unwrap();
    let link = dir.path().join("link");
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    for place in [path.as_path(), &link, dir.path()] {
        let error = bind(place).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{error}");
    }
    assert_eq!(fs::read(&path).unwrap(), b"data");
}

#[tokio::test]
async fn a_place_that_another_has_taken_is_left_to_it() {
    let (_dir, path) = place();
    let first = bind(&path).await.unwrap();
    fs::remove_file(&path).unwrap();
    let _second = bind(&path).await.unwrap();
    drop(first);
    UnixStream::connect(&path).await.unwrap();
}

#[tokio::test]
async fn a_path_that_no_socket_can_have_is_named() {
    let (dir, _) = place();
    let error = bind(&dir.path().join("x".repeat(200))).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
    let error = bind(Path::new("/nowhere/app.sock")).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains("/nowhere"), "{error}");
    assert!(names(&dir).is_empty());
}

#[tokio::test]
async fn a_half_close_passes_a_unix_socket_on_both_sides() {
    let (_app_dir, app) = place();
    let (_dir, path) = place();
    let mut server = bind(&app).await.unwrap();
    let serving = serve(any(), bind(&path).await.unwrap(), UnixTarget::new(&app), 10);
    let (client, incoming) = tokio::join!(UnixStream::connect(&path), server.accept());
    let mut client = client.unwrap();
    let mut server = incoming.unwrap().claim().unwrap();
    let (question, answer) = (pattern(MIB, 1), pattern(MIB, 2));

    let asked = async {
        client.write_all(&question).await.unwrap();
        client.shutdown().await.unwrap();
        drain(&mut client).await.0
    };
    let answered = async {
        let asked = drain(&mut server).await.0;
        server.write_all(&answer).await.unwrap();
        server.shutdown().await.unwrap();
        asked
    };
    let (got, asked) = timeout(PATIENCE, async { tokio::join!(asked, answered) })
        .await
        .unwrap();
    assert!(asked == question && got == answer);
    drop((client, server));
    assert_eq!(serving.finish().await.snapshot().ended(Ended::Clean), 1);
}

/// An address that is not asked for: the forward listens on a path.
fn any() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

#[tokio::test]
async fn a_client_without_a_slot_reads_no_byte_and_leaves_none_behind() {
    let (_dir, path) = place();
    let target = kernel_target(echo().await);
    let serving = serve(any(), bind(&path).await.unwrap(), target, 0);
    let mut client = UnixStream::connect(&path).await.unwrap();
    let (got, _) = drain(&mut client).await;
    assert!(got.is_empty());
    assert_eq!(serving.finish().await.snapshot().refused, 1);
}

#[tokio::test]
async fn a_reset_reaches_a_unix_socket_when_what_it_sent_lies_unread() {
    let (stream, mut outer) = pair();
    outer.write_all(b"unread").await.unwrap();
    stream.reset();
    let (got, error) = drain(&mut outer).await;
    assert!(got.is_empty());
    // Elsewhere it is the end of stream.
    let told = is_reset(error.as_ref()) || !cfg!(target_os = "linux");
    assert!(told, "{error:?}");

    let (stream, mut outer) = pair();
    stream.reset();
    assert!(drain(&mut outer).await.1.is_none(), "there is no reset");
}

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "Linux alone tells of it")]
async fn a_unix_socket_that_is_closed_on_unread_bytes_broke() {
    for order in ORDERS {
        let (inner, mut app) = pair();
        let (other, mut client) = crate::support::tcp().await;
        let running = start(order, unlimited(), inner, other);
        app.write_all(b"answer").await.unwrap();
        client.write_all(b"never read").await.unwrap();
        app.readable().await.unwrap();
        drop(app);
        let (got, error) = drain(&mut client).await;
        assert_eq!(got, b"answer");
        assert!(is_reset(error.as_ref()), "{error:?}");
        let summary = timeout(PATIENCE, running.task).await.unwrap().unwrap();
        let ends = [summary.to_target.end, summary.to_peer.end];
        assert!(ends.contains(&DirectionEnd::Reset), "{ends:?}");
    }
}

#[tokio::test]
async fn bytes_that_the_other_end_has_not_read_are_unacknowledged() {
    let (mut stream, mut outer) = pair();
    assert_eq!(stream.unacknowledged().unwrap(), 0);
    stream.write_all(b"byte").await.unwrap();
    assert!(stream.unacknowledged().unwrap() > 0);
    outer.read_exact(&mut [0; 4]).await.unwrap();
    assert_eq!(stream.unacknowledged().unwrap(), 0);
    assert_eq!(stream.broken(), None);
    drop(outer);
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(stream.incoming_end(), End::Clean);
}

#[tokio::test]
async fn a_unix_target_that_is_not_there_may_come_later() {
    let (_dir, path) = place();
    let target = LocalTarget::from(UnixTarget::new(&path));
    let shown = format!("unix:{}", path.display());
    assert_eq!(target.to_string(), shown);
    for _ in 0..2 {
        let error = target
            .dial(&nobody(), Duration::from_secs(5))
            .await
            .unwrap_err();
        assert_eq!(error.kind, DialErrorKind::Refused, "{error}");
        assert!(
            error.retry() && error.to_string().contains(&shown),
            "{error}"
        );
        if !path.exists() {
            drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        }
    }
    fs::remove_file(&path).unwrap();
    let _listener = bind(&path).await.unwrap();
    target
        .dial(&nobody(), Duration::from_secs(5))
        .await
        .unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_queue_is_waited_for_within_the_budget() {
    let (_dir, path) = place();
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    socket
        .bind(&socket2::SockAddr::unix(&path).unwrap())
        .unwrap();
    socket.listen(0).unwrap();
    let target = UnixTarget::new(&path);
    let budget = Duration::from_millis(100);
    let _first = target.dial(&nobody(), budget).await.unwrap();
    let error = target.dial(&nobody(), budget).await.unwrap_err();
    assert_eq!(error.kind, DialErrorKind::TimedOut, "{error}");

    let nobody = nobody();
    let waiting = target.dial(&nobody, PATIENCE);
    let accepted = async { socket.accept().unwrap() };
    let (dialed, _accepted) = tokio::join!(waiting, accepted);
    dialed.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_unix_connection_on_which_nothing_moves_is_ended_after_the_idle_time() {
    let (a, mut one) = pair();
    let (b, mut two) = pair();
    let limits = Limits::new(Duration::from_secs(300));
    let summary = start(ORDERS[0], limits, a, b).task.await.unwrap();
    assert_eq!(summary.to_target.end, DirectionEnd::Idle);
    assert!(drain(&mut one).await.0.is_empty() && drain(&mut two).await.0.is_empty());
}
