//! Not a byte is lost: half-close, early answers, bulk both ways.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use proptest::prelude::*;
use tailport::proxy::summary::{DirectionEnd, Flow, Party, Summary};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, split},
    net::TcpStream,
    time::timeout,
};

use crate::support::{
    MIB, ORDERS, Order, PATIENCE, acknowledged, drain, hash, pattern, start, tcp, unix, unlimited,
};

/// The two flows: from the first side of the test, and back.
fn flows(order: Order, summary: &Summary) -> (Flow, Flow) {
    match order {
        Order::AsPeer => (summary.to_target, summary.to_peer),
        Order::AsTarget => (summary.to_peer, summary.to_target),
    }
}

#[tokio::test]
async fn an_answer_given_after_the_half_close_arrives_in_both_orders_over_tcp() {
    for order in ORDERS {
        let (request, answer) = (pattern(3 * MIB, 1), pattern(3 * MIB, 2));
        let ((a, mut client), (b, mut server)) = (tcp().await, tcp().await);
        let running = start(order, unlimited(), a, b);

        let serving = tokio::spawn({
            let answer = answer.clone();
            async move {
                let (request, error) = drain(&mut server).await;
                server.write_all(&answer).await.unwrap();
                server.shutdown().await.unwrap();
                (request, error)
            }
        });
        client.write_all(&request).await.unwrap();
        client.shutdown().await.unwrap();
        let (got, client_error) = drain(&mut client).await;
        let (asked, server_error) = serving.await.unwrap();

        assert_eq!(hash(&asked), hash(&request), "{order:?}");
        assert_eq!(hash(&got), hash(&answer), "{order:?}");
        assert!(
            client_error.is_none() && server_error.is_none(),
            "{order:?}"
        );
        let summary = running.task.await.unwrap();
        let (there, back) = flows(order, &summary);
        assert_eq!(
            (there.end, back.end),
            (DirectionEnd::Clean, DirectionEnd::Clean)
        );
        assert_eq!(there.bytes, request.len() as u64);
        assert_eq!(back.bytes, answer.len() as u64);
        let first = match order {
            Order::AsPeer => Party::Peer,
            Order::AsTarget => Party::Target,
        };
        assert_eq!(summary.first, Some(first));
    }
}

#[tokio::test]
async fn a_half_close_passes_on_alone_and_both_sides_are_closed_not_reset() {
    for order in ORDERS {
        let (a, mut client, reset_a) = unix();
        let (b, mut server, reset_b) = unix();
        let running = start(order, unlimited(), a, b);
        client.write_all(b"ask").await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(drain(&mut server).await.0, b"ask");
        // The other direction still works, as long as its source likes.
        for _ in 0..3 {
            server.write_all(b"more").await.unwrap();
            let mut got = [0; 4];
            client.read_exact(&mut got).await.unwrap();
            assert_eq!(&got, b"more");
        }
        drop(server);
        assert!(drain(&mut client).await.0.is_empty());
        running.task.await.unwrap();
        assert!(!reset_a.load(SeqCst) && !reset_b.load(SeqCst), "{order:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_mebibytes_each_way_at_once_arrive_whole() {
    let (forth, back) = (pattern(16 * MIB, 3), pattern(16 * MIB, 4));
    let ((a, client), (b, server)) = (tcp().await, tcp().await);
    let running = start(Order::AsPeer, unlimited(), a, b);
    let exchange = |stream: TcpStream, bytes: Vec<u8>| {
        let (mut read, mut write) = split(stream);
        tokio::spawn(async move {
            let writing = async {
                write.write_all(&bytes).await.unwrap();
                write.shutdown().await.unwrap();
            };
            tokio::join!(drain(&mut read), writing).0.0
        })
    };
    let client = exchange(client, forth.clone());
    let server = exchange(server, back.clone());
    assert_eq!(hash(&client.await.unwrap()), hash(&back));
    assert_eq!(hash(&server.await.unwrap()), hash(&forth));
    let summary = running.task.await.unwrap();
    assert_eq!(summary.to_target.bytes, forth.len() as u64);
    assert_eq!(running.totals.to_target.load(SeqCst), forth.len() as u64);
    assert_eq!(running.totals.to_peer.load(SeqCst), back.len() as u64);
}

/// Uploads for as long as it is let, and reads an answer slowly meanwhile.
async fn slow_uploader(client: TcpStream) -> Vec<u8> {
    let (mut read, mut write) = split(client);
    let upload = tokio::spawn(async move {
        let chunk = pattern(16 * 1024, 9);
        while write.write_all(&chunk).await.is_ok() {}
    });
    let mut got = Vec::new();
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = read.read(&mut buffer).await {
        got.extend_from_slice(&buffer[..read]);
        // The reader's slowness is the case itself; nothing waits for it.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    upload.abort();
    got
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_early_answer_arrives_whole_while_the_client_still_uploads() {
    for order in ORDERS {
        let answer = pattern(4 * MIB, 5);
        let ((a, client), (b, mut server)) = (tcp().await, tcp().await);
        let running = start(order, unlimited(), a, b);
        let client = tokio::spawn(slow_uploader(client));

        // Answers in full, ends its direction, and closes with the upload unread.
        let mut start_of_request = [0; 1024];
        server.read_exact(&mut start_of_request).await.unwrap();
        server.write_all(&answer).await.unwrap();
        server.shutdown().await.unwrap();
        acknowledged(&server).await;
        drop(server);

        let got = client.await.unwrap();
        assert_eq!(hash(&got), hash(&answer), "{order:?}: {} bytes", got.len());
        let (there, back) = flows(order, &running.task.await.unwrap());
        assert_eq!(there.end, DirectionEnd::WriteFailed, "{order:?}");
        assert_eq!(back.end, DirectionEnd::Clean, "{order:?}");
        assert!(there.discarded > 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_early_answer_that_ends_in_a_reset_still_arrives_whole() {
    let answer = pattern(4 * MIB, 6);
    let ((a, client), (b, mut server)) = (tcp().await, tcp().await);
    let running = start(Order::AsPeer, unlimited(), a, b);
    let client = tokio::spawn(slow_uploader(client));
    let mut start_of_request = [0; 1024];
    server.read_exact(&mut start_of_request).await.unwrap();
    server.write_all(&answer).await.unwrap();
    acknowledged(&server).await;
    // No end of stream before it: the unread upload makes this close a reset.
    drop(server);
    let got = client.await.unwrap();
    assert_eq!(hash(&got), hash(&answer), "{} bytes", got.len());
    let summary = running.task.await.unwrap();
    assert_eq!(summary.to_peer.end, DirectionEnd::Reset);
}

#[tokio::test]
async fn a_target_that_stops_reading_does_not_stop_the_upload_nor_its_own_answer() {
    for order in ORDERS {
        let (a, mut client, _) = unix();
        let (b, server, _) = unix();
        let running = start(order, unlimited(), a, b);
        let server = server.into_std().unwrap();
        server.shutdown(std::net::Shutdown::Read).unwrap();
        let mut server = tokio::net::UnixStream::from_std(server).unwrap();

        let upload = pattern(8 * MIB, 7);
        let uploading = timeout(PATIENCE, client.write_all(&upload)).await;
        uploading.expect("the upload is stuck").unwrap();
        server.write_all(b"enough").await.unwrap();
        drop(server);
        let mut answer = [0; 6];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"enough");
        client.shutdown().await.unwrap();
        assert!(drain(&mut client).await.0.is_empty());
        let (there, back) = flows(order, &running.task.await.unwrap());
        assert_eq!(
            (there.end, back.end),
            (DirectionEnd::WriteFailed, DirectionEnd::Clean)
        );
        assert!(there.discarded > 7 * MIB as u64, "{}", there.discarded);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_chunks_arrive_in_order_and_whole(
        forth in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40_000), 0..8),
        back in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40_000), 0..8),
        swapped: bool,
        over_tcp: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let order = ORDERS[usize::from(swapped)];
        let (there, here) = runtime.block_on(async {
            if over_tcp {
                let ((a, client), (b, server)) = (tcp().await, tcp().await);
                let running = start(order, unlimited(), a, b);
                let got = exchange_chunks(client, server, &forth, &back).await;
                running.task.await.unwrap();
                got
            } else {
                let ((a, client, _), (b, server, _)) = (unix(), unix());
                let running = start(order, unlimited(), a, b);
                let got = exchange_chunks(client, server, &forth, &back).await;
                running.task.await.unwrap();
                got
            }
        });
        prop_assert_eq!(there, forth.concat());
        prop_assert_eq!(here, back.concat());
    }
}

/// What the server and the client got.
async fn exchange_chunks<S>(
    client: S,
    server: S,
    forth: &[Vec<u8>],
    back: &[Vec<u8>],
) -> (Vec<u8>, Vec<u8>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite,
{
    let (mut client_read, mut client_write) = split(client);
    let (mut server_read, mut server_write) = split(server);
    let forth = async {
        for chunk in forth {
            client_write.write_all(chunk).await.unwrap();
        }
        client_write.shutdown().await.unwrap();
    };
    let back = async {
        for chunk in back {
            server_write.write_all(chunk).await.unwrap();
        }
        server_write.shutdown().await.unwrap();
    };
    let (_, _, there, here) = tokio::join!(
        forth,
        back,
        drain(&mut server_read),
        drain(&mut client_read)
    );
    (there.0, here.0)
}
