//! Streams over socket pairs that stand in for the Go half's.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::partings::tests::tell;
use super::*;

/// A stream over a socket pair, under an id that the Go half does not know.
fn stream() -> (UnixStream, Stream) {
    let (there, here) = UnixStream::pair().unwrap();
    let (_gone, partings) = Partings::of_pair();
    (there, new(Way::Here(here), &partings))
}

/// A stream that is joined, and the other end of the mailbox that tells of its end.
fn joined() -> (UnixStream, Stream) {
    let (there, partings) = Partings::of_pair();
    let part = partings.of(UNKNOWN);
    (there, new(Way::Joined(part), &partings))
}

const UNKNOWN: ConnectionId = ConnectionId(1 << 52);

fn new(way: Way, partings: &Partings) -> Stream {
    let address = "100.64.0.1:22".parse().unwrap();
    let announced = Announced {
        id: UNKNOWN,
        remote: address,
        local: address,
    };
    Stream::new(way, &announced, partings)
}

async fn parted(stream: &mut Stream) -> io::Result<Parted> {
    std::future::poll_fn(|cx| stream.poll_parted(cx)).await
}

#[tokio::test]
async fn a_stream_is_finished_when_both_directions_are() {
    let (there, mut here) = stream();
    assert!(!here.finished());
    here.shutdown().await.unwrap();
    assert!(!here.finished());
    drop(there);
    assert_eq!(here.read(&mut [0]).await.unwrap(), 0);
    assert!(here.finished());
}

#[tokio::test]
async fn a_junction_that_came_to_both_ends_has_no_socket_to_give_back() {
    let (mut there, mut here) = joined();
    assert!(here.read(&mut [0]).await.is_err(), "bytes flow elsewhere");
    assert!(here.socket().is_none());
    tell(&mut there, UNKNOWN.0, &["outgoing", "incoming"]).await;
    let parted = parted(&mut here).await.unwrap();
    assert!(parted.socket.is_none());
    assert_eq!(parted.ended, [Ended::Outgoing, Ended::Incoming]);
    assert_eq!(parted.reading, Some(io::ErrorKind::ConnectionReset));
    assert_eq!(parted.writing, None);
    assert_eq!((parted.incoming, parted.outgoing), (7, 8));
    assert!(here.finished());
}

#[tokio::test]
async fn a_socket_that_cannot_be_taken_back_is_an_error() {
    let (mut there, mut here) = joined();
    tell(&mut there, UNKNOWN.0, &["incoming"]).await;
    let error = parted(&mut here).await.unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EBADF));
    assert!(!here.finished());
    assert!(here.read(&mut [0]).await.is_err());
}

#[tokio::test]
async fn a_junction_whose_node_is_closed_has_an_end() {
    let (there, mut here) = joined();
    drop(there);
    let error = parted(&mut here).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert!(!here.finished());
}

#[tokio::test]
async fn reading_into_no_room_is_no_eof() {
    let (mut there, mut here) = stream();
    there.write_all(b"byte").await.unwrap();
    assert_eq!(here.read(&mut []).await.unwrap(), 0);
    assert!(!here.read_eof);
}

#[tokio::test]
async fn shutting_down_leaves_the_incoming_direction_open() {
    let (mut there, mut here) = stream();
    here.write_all(b"ask").await.unwrap();
    here.shutdown().await.unwrap();
    let mut asked = String::new();
    there.read_to_string(&mut asked).await.unwrap();
    there.write_all(b"answer").await.unwrap();
    drop(there);
    let mut answer = String::new();
    here.read_to_string(&mut answer).await.unwrap();
    assert_eq!((asked.as_str(), answer.as_str()), ("ask", "answer"));
}

#[tokio::test]
async fn the_end_of_an_unknown_connection_is_an_error() {
    let (_there, here) = stream();
    assert_eq!(here.end().unwrap_err().raw_os_error(), Some(libc::EBADF));
    here.reset();
}
