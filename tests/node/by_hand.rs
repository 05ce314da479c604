//! What a node says goes to who waits for it in the thread that says it.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use tailport::tailnet::{Ended, Listener};
use tailport::turn;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::stage::{self, in_time};
use crate::support::home::Home;

/// Bytes both ways; for ever, as a junction asks.
static PASSED: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];

/// Whether this is a thread that the Go half has made: those of Rust have names here.
fn is_gos() -> bool {
    thread::current().name().is_none()
}

/// Accepts one connection, joins it to `target` and waits for both ends; says of its last
/// two steps whether they were in a thread of the Go half.
async fn serve(mut listener: Listener, target: SocketAddr) -> [bool; 2] {
    let mut stream = listener.accept().await.unwrap().claim().unwrap();
    let accepted = is_gos();
    let socket = std::net::TcpStream::connect(target).unwrap();
    socket.set_nonblocking(true).unwrap();
    stream.join(socket.into(), &PASSED[0], &PASSED[1]).unwrap();
    let parted = std::future::poll_fn(|cx| stream.poll_parted(cx)).await;
    assert_eq!(parted.unwrap().ended, [Ended::Incoming, Ended::Outgoing]);
    [accepted, is_gos()]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_connection_is_accepted_and_ends_in_threads_of_the_go_half() {
    let (home, other_home) = (Home::new(), Home::new());
    let [(node, _), (other, _)] = stage::two([(&home, "dials"), (&other_home, "accepts")]).await;
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = target.local_addr().unwrap();
    let listener = other.listen(2222).await.unwrap();
    let served = tokio::spawn(turn::joined(serve(listener, address)));

    let mut client = in_time(node.dial("accepts:2222", crate::support::patience::PATIENCE))
        .await
        .unwrap();
    client.write_all(b"a word").await.unwrap();
    client.shutdown().await.unwrap();
    target.set_nonblocking(true).unwrap();
    let target = tokio::net::TcpListener::from_std(target).unwrap();
    let (mut there, _): (TcpStream, _) = in_time(target.accept()).await.unwrap();
    let mut word = Vec::new();
    in_time(there.read_to_end(&mut word)).await.unwrap();
    assert_eq!(word, b"a word");
    there.write_all(b"an answer").await.unwrap();
    drop(there);
    let mut answer = Vec::new();
    in_time(client.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(answer, b"an answer");

    assert_eq!(in_time(served).await.unwrap(), [true, true]);
    assert_eq!(PASSED[0].load(Ordering::Relaxed), 6);
    assert_eq!(PASSED[1].load(Ordering::Relaxed), 9);
    drop(client);
    node.close().await.unwrap();
    other.close().await.unwrap();
}
