//! Streams over socket pairs that stand in for the Go half's.

use std::io::{Read, Write};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// A stream over a socket pair, under an id that the Go half does not know.
fn stream() -> (UnixStream, Stream) {
    let (there, here) = StdUnixStream::pair().unwrap();
    there.set_nonblocking(true).unwrap();
    here.set_nonblocking(true).unwrap();
    let address = "100.64.0.1:22".parse().unwrap();
    let announced = Announced {
        id: ConnectionId(u64::MAX),
        remote: address,
        local: address,
    };
    let stream = Stream::new(here.into(), &announced).unwrap();
    (UnixStream::from_std(there).unwrap(), stream)
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
async fn a_junction_ends_with_words_and_the_socket_before_what_is_left() {
    let (mut there, mut here) = stream();
    here.way = Way::Joined;
    assert!(here.read(&mut [0]).await.is_err(), "the words are no bytes");
    let mut words = [0; WORDS];
    words[3] = libc::ECONNRESET as u8;
    words[7] = libc::EPIPE as u8;
    words[11] = 2 | 4;
    words[19] = 7;
    words[27] = 8;
    let (lent, mut world) = StdUnixStream::pair().unwrap();
    send_with(&there, &words, &lent);
    there.write_all(b"left").await.unwrap();

    let parted = std::future::poll_fn(|cx| here.poll_parted(cx)).await;
    let Parted {
        socket,
        reading,
        writing,
        ended,
        incoming,
        outgoing,
    } = parted.unwrap();
    assert_eq!(reading, Some(io::ErrorKind::ConnectionReset));
    assert_eq!(writing, Some(io::ErrorKind::BrokenPipe));
    assert_eq!(ended, [Some(Ended::Outgoing), None]);
    assert_eq!((incoming, outgoing), (7, 8));
    let mut left = [0; 4];
    here.read_exact(&mut left).await.unwrap();
    assert_eq!(&left, b"left");
    drop(lent);
    StdUnixStream::from(socket.unwrap())
        .write_all(b"back")
        .unwrap();
    let mut back = String::new();
    world.read_to_string(&mut back).unwrap();
    assert_eq!(back, "back");
}

#[tokio::test]
async fn a_junction_that_came_to_both_ends_has_no_socket_to_give_back() {
    let (mut there, mut here) = stream();
    here.way = Way::Joined;
    let mut words = [0; WORDS];
    words[11] = 1 | 2;
    there.write_all(&words).await.unwrap();
    let parted = std::future::poll_fn(|cx| here.poll_parted(cx))
        .await
        .unwrap();
    assert!(parted.socket.is_none());
    assert!(here.finished());
}

#[tokio::test]
async fn a_socket_that_is_missing_is_an_error() {
    let (mut there, mut here) = stream();
    here.way = Way::Joined;
    there.write_all(&[0; WORDS]).await.unwrap();
    let parted = std::future::poll_fn(|cx| here.poll_parted(cx)).await;
    assert!(parted.is_err());
    assert!(!here.finished());
}

#[tokio::test]
async fn a_junction_whose_connection_is_over_has_an_end() {
    let (there, mut here) = stream();
    here.way = Way::Joined;
    drop(there);
    let parted = std::future::poll_fn(|cx| here.poll_parted(cx)).await;
    assert_eq!(parted.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(here.read(&mut [0]).await.unwrap(), 0);
}

/// Sends a message with a descriptor.
fn send_with(over: &UnixStream, message: &[u8], descriptor: &StdUnixStream) {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut passed = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor.as_fd()];
    assert!(passed.push(SendAncillaryMessage::ScmRights(&descriptors)));
    let message = [io::IoSlice::new(message)];
    sendmsg(over, &message, &mut passed, SendFlags::empty()).unwrap();
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
