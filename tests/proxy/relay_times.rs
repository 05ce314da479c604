//! The idle time, on a clock that stands still until everything waits.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use tailport::proxy::{relay::Limits, summary::DirectionEnd};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep},
};

use crate::support::{BLOCK, ORDERS, Order, deliver_blocks, start, unix, unlimited};

const IDLE: Duration = Duration::from_secs(300);

#[tokio::test(start_paused = true)]
async fn a_connection_on_which_nothing_moves_is_reset_after_the_idle_time() {
    for order in ORDERS {
        let (a, one, reset_a) = unix();
        let (b, two, reset_b) = unix();
        let begun = Instant::now();
        let summary = start(order, Limits::new(IDLE), a, b).task.await.unwrap();
        let took = begun.elapsed();
        assert!(
            took >= IDLE && took < IDLE + Duration::from_secs(1),
            "{took:?}"
        );
        assert_eq!(summary.to_target.end, DirectionEnd::Idle);
        assert_eq!(summary.to_peer.end, DirectionEnd::Idle);
        assert!(reset_a.load(SeqCst) && reset_b.load(SeqCst));
        drop((one, two));
    }
}

#[tokio::test(start_paused = true)]
async fn activity_of_either_direction_counts_for_both() {
    for order in ORDERS {
        let (a, mut one, _) = unix();
        let (b, mut two, _) = unix();
        let begun = Instant::now();
        let running = start(order, Limits::new(IDLE), a, b);
        for _ in 0..4 {
            sleep(IDLE * 2 / 3).await;
            one.write_all(b"x").await.unwrap();
            two.read_exact(&mut [0]).await.unwrap();
        }
        let summary = running.task.await.unwrap();
        let expected = IDLE * 8 / 3 + IDLE;
        let took = begun.elapsed();
        assert!(
            took >= expected && took < expected + Duration::from_secs(1),
            "{order:?}: {took:?}"
        );
        assert_eq!(summary.ended().as_str(), "idle");
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_time_of_zero_is_off() {
    let (a, one, _) = unix();
    let (b, two, _) = unix();
    let running = start(Order::AsPeer, unlimited(), a, b);
    sleep(Duration::from_secs(30 * 24 * 3600)).await;
    assert!(!running.task.is_finished());
    drop((one, two));
    assert_eq!(running.task.await.unwrap().ended().as_str(), "clean");
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_of_what_was_sent_before_is_not_idle() {
    let (a, mut one, _) = unix();
    let (b, mut two, _) = unix();
    let running = start(Order::AsPeer, Limits::new(IDLE), a, b);
    deliver_blocks(&running, &mut one, 8).await;
    let mut got = vec![0; BLOCK];
    for _ in 0..8 {
        sleep(IDLE / 3).await;
        two.read_exact(&mut got).await.unwrap();
    }
    assert!(!running.task.is_finished());
    assert_eq!(running.task.await.unwrap().ended().as_str(), "idle");
}
