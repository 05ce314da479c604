//! Over a socket pair that stands in for the Go half's.

use std::future::poll_fn;
use std::os::unix::net::UnixStream as StdUnixStream;

use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use super::super::parted::Ended;
use super::*;

impl Partings {
    /// With the other end of their mailbox.
    pub(in crate::tailnet) fn of_pair() -> (UnixStream, Self) {
        let (there, here) = StdUnixStream::pair().unwrap();
        there.set_nonblocking(true).unwrap();
        here.set_nonblocking(true).unwrap();
        let partings = Self::new();
        tokio::spawn(partings.clone().hear(Mailbox::new(here.into()).unwrap()));
        (UnixStream::from_std(there).unwrap(), partings)
    }
}

/// Says that the junction of a connection has come to these ends.
pub(in crate::tailnet) async fn tell(there: &mut UnixStream, id: u64, ended: &[&str]) {
    let told = serde_json::json!({
        "type": "parted", "id": id, "ended": ended,
        "reading": libc::ECONNRESET, "writing": 0, "incoming": 7, "outgoing": 8,
    });
    let told = told.to_string();
    there.write_u32(told.len() as u32).await.unwrap();
    there.write_all(told.as_bytes()).await.unwrap();
}

async fn end(part: &mut Part) -> io::Result<Parting> {
    poll_fn(|cx| part.poll(cx)).await
}

#[tokio::test]
async fn each_end_comes_to_who_waits_for_it() {
    let (mut there, partings) = Partings::of_pair();
    let mut first = partings.of(ConnectionId(1));
    let mut second = partings.of(ConnectionId(2));
    tell(&mut there, 2, &["outgoing", "incoming"]).await;
    tell(&mut there, 1, &[]).await;
    let first = end(&mut first).await.unwrap();
    assert_eq!((first.id, first.is_over()), (ConnectionId(1), false));
    let second = end(&mut second).await.unwrap();
    assert_eq!(
        second,
        Parting {
            id: ConnectionId(2),
            ended: vec![Ended::Outgoing, Ended::Incoming],
            reading: libc::ECONNRESET,
            writing: 0,
            incoming: 7,
            outgoing: 8,
        }
    );
    assert!(second.is_over());
}

#[tokio::test]
async fn one_that_nobody_waits_for_is_in_nobodys_way() {
    let (mut there, partings) = Partings::of_pair();
    drop(partings.of(ConnectionId(1)));
    assert!(partings.lock().as_ref().unwrap().is_empty());
    let mut second = partings.of(ConnectionId(2));
    tell(&mut there, 1, &[]).await;
    tell(&mut there, 2, &[]).await;
    assert_eq!(end(&mut second).await.unwrap().id, ConnectionId(2));
}

#[tokio::test]
async fn after_the_last_one_is_heard_nobody_waits() {
    let (there, partings) = Partings::of_pair();
    let mut before = partings.of(ConnectionId(1));
    drop(there);
    let error = end(&mut before).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    let mut after = partings.of(ConnectionId(2));
    assert!(end(&mut after).await.is_err());
}

#[tokio::test]
async fn an_end_of_both_directions_is_taken_by_hand_and_no_other() {
    let (_there, partings) = Partings::of_pair();
    let told = |id: u64, ended: &[&str]| {
        let told = serde_json::json!({
            "type": "parted", "id": id, "ended": ended,
            "reading": 0, "writing": 0, "incoming": 7, "outgoing": 8,
        });
        partings.take(told.to_string().as_bytes())
    };
    let mut part = partings.of(ConnectionId(1));
    assert!(!told(1, &[]), "bytes are left to move");
    assert!(!told(1, &["incoming"]));
    assert!(!partings.take(b"{}"));
    assert!(told(1, &["incoming", "outgoing"]));
    assert!(end(&mut part).await.unwrap().is_over());
    assert!(
        told(1, &["incoming", "outgoing"]),
        "it is nobody's any more"
    );
}
