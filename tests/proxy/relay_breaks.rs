//! A broken connection never looks like a finished one.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use tailport::proxy::{
    endpoint::End,
    relay::Limits,
    summary::{DirectionEnd, Party},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};

use crate::support::{
    BLOCK, MIB, ORDERS, Order, PATIENCE, acknowledged, deliver_blocks, drain, hash, is_reset,
    pattern, reset, start, tcp, unix, unlimited,
};

#[tokio::test]
async fn a_reset_passes_on_as_a_reset_after_every_byte_sent_before_it() {
    for order in ORDERS {
        let bytes = pattern(256 * 1024, 1);
        let ((a, mut breaking), (b, mut other)) = (tcp().await, tcp().await);
        let running = start(order, unlimited(), a, b);
        breaking.write_all(&bytes).await.unwrap();
        acknowledged(&breaking).await;
        reset(breaking);

        let (got, error) = drain(&mut other).await;
        assert_eq!(hash(&got), hash(&bytes), "{order:?}: {} bytes", got.len());
        assert!(is_reset(error.as_ref()), "{order:?}: {error:?}");
        let summary = running.task.await.unwrap();
        let (end, by) = match order {
            Order::AsPeer => (summary.to_target.end, Party::Peer),
            Order::AsTarget => (summary.to_peer.end, Party::Target),
        };
        assert_eq!((end, summary.first), (DirectionEnd::Reset, Some(by)));
    }
}

#[tokio::test]
async fn a_reset_that_a_write_meets_first_is_not_taken_for_a_clean_end() {
    for order in ORDERS {
        let ((a, breaking), (b, mut other)) = (tcp().await, tcp().await);
        // Both are ready before the relay starts, and whichever it meets first counts.
        other.write_all(&pattern(64 * 1024, 2)).await.unwrap();
        reset(breaking);
        let running = start(order, unlimited(), a, b);
        let (_, error) = drain(&mut other).await;
        assert!(is_reset(error.as_ref()), "{order:?}: {error:?}");
        running.task.await.unwrap();
    }
}

#[tokio::test]
async fn an_end_of_stream_that_hides_a_break_resets_the_other_side() {
    for order in ORDERS {
        for (end, told) in [
            (End::Reset, DirectionEnd::Reset),
            (End::TimedOut, DirectionEnd::TimedOut),
        ] {
            let (mut a, mut breaking, _) = unix();
            a.end = end;
            let (b, mut other) = tcp().await;
            let running = start(order, unlimited(), a, b);
            breaking.write_all(b"last words").await.unwrap();
            drop(breaking);
            let (got, error) = drain(&mut other).await;
            assert_eq!(got, b"last words");
            assert!(is_reset(error.as_ref()), "{order:?} {end:?}: {error:?}");
            let summary = running.task.await.unwrap();
            let flow = match order {
                Order::AsPeer => summary.to_target,
                Order::AsTarget => summary.to_peer,
            };
            assert_eq!((flow.end, flow.bytes), (told, 10));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_waits_for_a_reader_that_is_slow_but_not_for_one_that_stopped() {
    let (a, mut breaking) = tcp().await;
    let (b, mut other, was_reset) = unix();
    let running = start(Order::AsPeer, unlimited(), a, b);
    deliver_blocks(&running, &mut breaking, 5).await;
    let begun = Instant::now();
    reset(breaking);
    // A little every six seconds: never ten without progress.
    let mut some = [0; BLOCK];
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(6)).await;
        other.read_exact(&mut some).await.unwrap();
        assert!(!running.task.is_finished());
    }
    let summary = running.task.await.unwrap();
    let took = begun.elapsed().as_secs();
    assert!(was_reset.load(SeqCst));
    assert_eq!(summary.to_target.end, DirectionEnd::Reset);
    assert!((18..=30).contains(&took), "{took} s");
}

#[tokio::test(start_paused = true)]
async fn a_reset_behind_bytes_that_the_other_side_never_reads_ends_the_connection() {
    for order in ORDERS {
        let ((a, mut breaking), (b, other)) = (tcp().await, tcp().await);
        let running = start(order, unlimited(), a, b);
        let filled = fill(&mut breaking).await;
        assert!(filled > 64 * 1024);
        reset(breaking);
        let summary = timeout(VIRTUAL_PATIENCE, running.task)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(summary.ended().as_str(), "reset", "{order:?}");
        drop(other);
    }
}

/// The clock jumps while the kernel still moves bytes, and each of its steps is
/// progress: many times the ten seconds that end a delivery without any.
const VIRTUAL_PATIENCE: Duration = Duration::from_secs(3600);

/// Writes until nothing more is taken for a while.
async fn fill(stream: &mut tokio::net::TcpStream) -> usize {
    let chunk = pattern(64 * 1024, 4);
    let mut filled = 0;
    let patience = Duration::from_secs(1);
    while let Ok(Ok(written)) = tokio::time::timeout(patience, stream.write(&chunk)).await {
        filled += written;
    }
    filled
}

#[tokio::test(start_paused = true)]
async fn a_target_that_never_reads_holds_the_upload_back() {
    let ((a, mut client), (b, target)) = (tcp().await, tcp().await);
    let running = start(Order::AsPeer, unlimited(), a, b);
    let filled = fill(&mut client).await;
    // The kernel's own buffers of four sockets, and one chunk of the relay's.
    assert!(filled < 32 * MIB, "{filled}");
    assert!(!running.task.is_finished());
    running.abort.cancel();
    running.task.await.unwrap();
    drop(target);
}

#[tokio::test]
async fn what_a_target_goes_on_sending_to_a_client_that_left_costs_little() {
    let ((a, mut client), (b, mut target)) = (tcp().await, tcp().await);
    let limits = Limits {
        delivery: Duration::from_secs(1),
        ..unlimited()
    };
    let begun = Instant::now();
    let running = start(Order::AsPeer, limits, a, b);
    client.shutdown().await.unwrap();
    assert_eq!(target.read(&mut [0]).await.unwrap(), 0);
    drop(client);
    let chunk = pattern(64 * 1024, 8);
    while target.write_all(&chunk).await.is_ok() {}
    let discarded = running.task.await.unwrap().to_peer.discarded;
    // As a gigabit network would bring it, with one look's worth more at either end.
    let looks = begun.elapsed().as_millis() as u64 / 200 + 2;
    assert!(discarded <= looks * 24 * MIB as u64, "{discarded}, {looks}");
    assert!(discarded > MIB as u64, "{discarded}");
}

#[tokio::test]
async fn an_abort_resets_both_sides() {
    for order in ORDERS {
        let ((a, mut one), (b, mut two)) = (tcp().await, tcp().await);
        let running = start(order, unlimited(), a, b);
        one.write_all(b"x").await.unwrap();
        two.read_exact(&mut [0]).await.unwrap();
        running.abort.cancel();
        let summary = running.task.await.unwrap();
        assert!(is_reset(drain(&mut one).await.1.as_ref()), "{order:?}");
        assert!(is_reset(drain(&mut two).await.1.as_ref()), "{order:?}");
        assert_eq!(summary.ended().as_str(), "aborted");
        assert_eq!(summary.first, None);
    }
}

#[tokio::test]
async fn a_dropped_relay_resets_both_sides() {
    let ((a, mut one), (b, mut two)) = (tcp().await, tcp().await);
    let running = start(Order::AsPeer, unlimited(), a, b);
    one.write_all(b"x").await.unwrap();
    two.read_exact(&mut [0]).await.unwrap();
    running.task.abort();
    assert!(is_reset(drain(&mut one).await.1.as_ref()));
    assert!(is_reset(drain(&mut two).await.1.as_ref()));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_gone_after_its_half_close_does_not_hold_a_silent_target() {
    for order in ORDERS {
        let ((a, mut gone), (b, mut silent)) = (tcp().await, tcp().await);
        let running = start(order, unlimited(), a, b);
        gone.write_all(b"ask").await.unwrap();
        gone.shutdown().await.unwrap();
        assert_eq!(drain(&mut silent).await.0, b"ask");
        reset(gone);
        let summary = timeout(VIRTUAL_PATIENCE, running.task)
            .await
            .unwrap()
            .unwrap();
        let ends = [summary.to_target.end, summary.to_peer.end];
        assert!(ends.contains(&DirectionEnd::Clean) && ends.contains(&DirectionEnd::Cut));
    }
}

#[tokio::test(start_paused = true)]
async fn a_break_of_a_side_whose_bytes_are_discarded_ends_the_connection_at_once() {
    let (mut a, mut client, _) = unix();
    a.end = End::Reset;
    let (b, server, server_was_reset) = unix();
    let running = start(Order::AsPeer, unlimited(), a, b);
    let server = server.into_std().unwrap();
    server.shutdown(std::net::Shutdown::Read).unwrap();
    client.write_all(b"to nobody").await.unwrap();
    drop(client);
    let begun = Instant::now();
    let summary = running.task.await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(summary.to_target.end, DirectionEnd::WriteFailed);
    assert!(server_was_reset.load(SeqCst));
}

#[tokio::test]
async fn an_endless_answer_to_a_peer_that_is_gone_is_cut_off() {
    for order in ORDERS {
        let limits = Limits {
            idle: Duration::ZERO,
            delivery: Duration::from_millis(100),
        };
        let ((a, mut gone), (b, mut endless)) = (tcp().await, tcp().await);
        let running = start(order, limits, a, b);
        gone.write_all(b"go").await.unwrap();
        gone.shutdown().await.unwrap();
        assert_eq!(drain(&mut endless).await.0, b"go");
        drop(gone);
        let flood = pattern(64 * 1024, 5);
        let flooding = async { while endless.write_all(&flood).await.is_ok() {} };
        timeout(PATIENCE, flooding).await.expect("never cut off");
        let summary = running.task.await.unwrap();
        let ends = [summary.to_target.end, summary.to_peer.end];
        assert!(ends.contains(&DirectionEnd::Clean), "{ends:?}");
        assert!(summary.to_target.discarded + summary.to_peer.discarded > 0);
    }
}
