//! Datagrams over a socket pair: whole, split, empty, cancelled.

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// A flow over a socket pair, under an id that the Go half does not know.
fn flow() -> (UnixStream, Flow) {
    let (there, here) = StdUnixStream::pair().unwrap();
    there.set_nonblocking(true).unwrap();
    here.set_nonblocking(true).unwrap();
    let address = "100.64.0.1:53".parse().unwrap();
    let announced = Announced {
        id: ConnectionId(u64::MAX),
        remote: address,
        local: address,
    };
    let flow = Flow::new(here, &announced).unwrap();
    (UnixStream::from_std(there).unwrap(), flow)
}

fn frame(datagram: &[u8]) -> Vec<u8> {
    let length = u16::try_from(datagram.len()).unwrap();
    [&length.to_be_bytes(), datagram].concat()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap()
}

#[tokio::test]
async fn an_empty_datagram_is_no_end() {
    let (mut there, mut here) = flow();
    there.write_all(&frame(b"")).await.unwrap();
    drop(there);
    let mut datagram = b"from before".to_vec();
    assert!(here.recv(&mut datagram).await.unwrap());
    assert!(datagram.is_empty());
    assert!(!here.recv(&mut datagram).await.unwrap());
    assert!(!here.recv(&mut datagram).await.unwrap());
}

#[tokio::test]
async fn a_datagram_split_anywhere_survives_a_cancelled_wait_at_every_byte() {
    let (mut there, mut here) = flow();
    let bytes = frame(b"whole");
    let mut datagram = Vec::new();
    for byte in &bytes[..bytes.len() - 1] {
        there.write_all(std::slice::from_ref(byte)).await.unwrap();
        tokio::select! {
            biased;
            answer = here.recv(&mut datagram) => panic!("{answer:?} before its end"),
            () = tokio::task::yield_now() => {}
        }
    }
    there.write_all(&bytes[bytes.len() - 1..]).await.unwrap();
    assert!(here.recv(&mut datagram).await.unwrap());
    assert_eq!(datagram, b"whole");
}

#[tokio::test]
async fn a_flow_cut_off_inside_a_datagram_is_over() {
    let (mut there, mut here) = flow();
    there.write_all(&[0, 9, 1, 2]).await.unwrap();
    drop(there);
    assert!(!here.recv(&mut Vec::new()).await.unwrap());
    let error = here.send(b"too late").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn more_than_udp_carries_is_refused_and_changes_nothing() {
    let (mut there, mut here) = flow();
    let error = here.send(&vec![1; DATAGRAM_MAX + 1]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    let error = here.send(&vec![1; 1 << 20]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    here.send(b"fits").await.unwrap();
    drop(here);
    let mut received = Vec::new();
    there.read_to_end(&mut received).await.unwrap();
    assert_eq!(received, frame(b"fits"));
}

#[tokio::test]
async fn a_cancelled_send_leaves_whole_datagrams_only() {
    let (mut there, mut here) = flow();
    let datagram = vec![7; DATAGRAM_MAX];
    // Until the socket is full: the last is cancelled halfway or before.
    loop {
        tokio::select! {
            biased;
            sent = here.send(&datagram) => sent.unwrap(),
            () = tokio::task::yield_now() => break,
        }
    }
    let reading = async {
        let mut received = Vec::new();
        there.read_to_end(&mut received).await.unwrap();
        received
    };
    let sending = async {
        here.send(b"next").await.unwrap();
        drop(here);
    };
    let (received, ()) = tokio::join!(reading, sending);
    let mut rest = received.as_slice();
    let whole = frame(&datagram);
    while let Some(after) = rest.strip_prefix(whole.as_slice()) {
        rest = after;
    }
    assert_eq!(rest, frame(b"next"));
}

#[tokio::test]
async fn what_a_cancelled_send_left_goes_out_while_receiving() {
    let (mut there, mut here) = flow();
    here.outgoing.extend_from_slice(&frame(b"left"));
    let mut received = [0; 6];
    let mut datagram = Vec::new();
    tokio::select! {
        answer = here.recv(&mut datagram) => panic!("{answer:?}"),
        read = there.read_exact(&mut received) => { read.unwrap(); }
    }
    assert_eq!(received.as_slice(), frame(b"left"));
}

proptest! {
    #[test]
    fn datagrams_survive_any_split(
        datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2_000), 0..6),
        step in 1_usize..4_000,
    ) {
        let sent: Vec<u8> = datagrams.iter().flat_map(|datagram| frame(datagram)).collect();
        let received = runtime().block_on(async {
            let (mut there, mut here) = flow();
            let writing = async move {
                for piece in sent.chunks(step) {
                    there.write_all(piece).await.unwrap();
                    tokio::task::yield_now().await;
                }
            };
            let reading = async move {
                let (mut received, mut datagram) = (Vec::new(), Vec::new());
                while here.recv(&mut datagram).await.unwrap() {
                    received.push(datagram.clone());
                }
                received
            };
            tokio::join!(writing, reading).1
        });
        prop_assert_eq!(received, datagrams);
    }
}
