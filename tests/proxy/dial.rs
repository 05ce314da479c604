//! The tries of a dial and its budget, on a clock that jumps.

use std::time::Duration;

use tailport::proxy::{dial::dial, endpoint::DialErrorKind};
use tokio::time::Instant;

use crate::{scripted::Scripted, support::nobody};

const BUDGET: Duration = Duration::from_secs(5);

async fn fails(target: &Scripted, budget: Duration) -> (DialErrorKind, Duration) {
    let begun = Instant::now();
    let Err(error) = dial(target, &nobody(), budget).await else {
        panic!("dialed");
    };
    (error.kind, begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_target_that_answers_badly_is_tried_three_times_within_a_second() {
    for answer in [
        (|_| Some(DialErrorKind::Refused)) as fn(u32) -> _,
        |_| Some(DialErrorKind::Reset),
        |_| Some(DialErrorKind::Unreachable),
    ] {
        let target = Scripted::new(Duration::ZERO, answer);
        let (kind, took) = fails(&target, BUDGET).await;
        assert_eq!((Some(kind), target.tries()), (answer(1), 3));
        assert!(took >= Duration::from_millis(300), "{took:?}");
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_that_comes_back_is_reached_by_a_later_try() {
    let target = Scripted::new(Duration::ZERO, |attempt| {
        (attempt < 3).then_some(DialErrorKind::Refused)
    });
    assert!(dial(&target, &nobody(), BUDGET).await.is_ok());
    assert_eq!(target.tries(), 3);
}

#[tokio::test(start_paused = true)]
async fn no_try_begins_after_the_window_or_the_budget() {
    let slow = Scripted::new(Duration::from_millis(900), |_| Some(DialErrorKind::Refused));
    fails(&slow, BUDGET).await;
    assert_eq!(slow.tries(), 1, "slower than the window");

    let tight = Scripted::new(Duration::ZERO, |_| Some(DialErrorKind::Refused));
    let budget = Duration::from_millis(50);
    let (_, took) = fails(&tight, budget).await;
    assert_eq!(tight.tries(), 1, "no pause fits the budget");
    assert!(took <= budget);
}

#[tokio::test(start_paused = true)]
async fn a_black_hole_ends_at_the_budget_and_is_tried_once() {
    let target = Scripted::new(Duration::from_secs(3600), |_| None);
    let (kind, took) = fails(&target, BUDGET).await;
    assert_eq!((kind, target.tries()), (DialErrorKind::TimedOut, 1));
    assert!(
        took >= BUDGET && took < BUDGET + Duration::from_millis(10),
        "{took:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_budget_covers_later_tries_too() {
    let target = Scripted::new(Duration::from_millis(700), |_| Some(DialErrorKind::Refused));
    let budget = Duration::from_millis(1200);
    let (_, took) = fails(&target, budget).await;
    assert!(took <= budget, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_change_is_tried_once() {
    for answer in [
        (|_| Some(DialErrorKind::UnknownName)) as fn(u32) -> _,
        |_| Some(DialErrorKind::BadAddress),
        |_| Some(DialErrorKind::NotInTailnet),
        |_| Some(DialErrorKind::TimedOut),
        |_| Some(DialErrorKind::Closed),
    ] {
        let target = Scripted::new(Duration::ZERO, answer);
        let (kind, took) = fails(&target, BUDGET).await;
        assert_eq!((Some(kind), target.tries()), (answer(1), 1));
        assert!(took < Duration::from_millis(10));
    }
}
