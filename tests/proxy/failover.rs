//! Several targets: which of them is dialed, and when, on a clock that jumps.

use std::time::Duration;

use tailport::proxy::{
    dial::dial,
    endpoint::{Dial, DialError, DialErrorKind},
    failover::Failover,
    target::{LocalTarget, UnixTarget},
};
use tokio::time::{Instant, advance};

use crate::{
    scripted::Scripted,
    serving::{echo, echoes, kernel_target, listener, serve},
    support::nobody,
};

const BUDGET: Duration = Duration::from_secs(6);
const NOW: Duration = Duration::ZERO;
const NEVER: Duration = Duration::from_secs(3600);

fn good() -> Scripted {
    Scripted::new(NOW, |_| None)
}

fn refusing() -> Scripted {
    Scripted::new(NOW, |_| Some(DialErrorKind::Refused))
}

fn silent() -> Scripted {
    Scripted::new(NEVER, |_| None)
}

/// The error of one dial.
async fn fails(failover: &Failover<Scripted>) -> DialError {
    match failover.dial(&nobody(), BUDGET).await {
        Ok(_) => panic!("dialed"),
        Err(error) => error,
    }
}

fn tries<const N: usize>(targets: [&Scripted; N]) -> [u32; N] {
    targets.map(Scripted::tries)
}

#[tokio::test(start_paused = true)]
async fn the_first_that_is_well_gets_every_connection() {
    let (one, two) = (good(), good());
    let failover = Failover::new([one.clone(), two.clone()]);
    for _ in 0..5 {
        assert!(failover.dial(&nobody(), BUDGET).await.is_ok());
    }
    assert_eq!(tries([&one, &two]), [5, 0]);
    assert_eq!(failover.to_string(), "scripted|scripted");
}

#[tokio::test(start_paused = true)]
async fn one_that_failed_is_passed_over_until_its_pause_is_over() {
    let back = |attempt| (attempt < 3).then_some(DialErrorKind::Refused);
    let (one, two) = (Scripted::new(NOW, back), good());
    let failover = Failover::new([one.clone(), two.clone()]);
    for _ in 0..5 {
        assert!(failover.dial(&nobody(), BUDGET).await.is_ok());
    }
    assert_eq!(tries([&one, &two]), [1, 5]);
    advance(Duration::from_secs(1)).await;
    for _ in 0..5 {
        assert!(failover.dial(&nobody(), BUDGET).await.is_ok());
    }
    assert_eq!(tries([&one, &two]), [2, 10], "its second failure");
    advance(Duration::from_millis(1990)).await;
    assert!(failover.dial(&nobody(), BUDGET).await.is_ok());
    assert_eq!(tries([&one, &two]), [2, 11], "a longer pause");
    advance(Duration::from_millis(10)).await;
    for _ in 0..5 {
        assert!(failover.dial(&nobody(), BUDGET).await.is_ok());
    }
    assert_eq!(tries([&one, &two]), [7, 11], "well again");
}

#[tokio::test(start_paused = true)]
async fn a_silent_target_leaves_time_for_the_next_and_is_passed_over_then() {
    let (one, two) = (silent(), good());
    let failover = Failover::new([one.clone(), two.clone()]);
    let begun = Instant::now();
    assert!(dial(&failover, &nobody(), BUDGET).await.is_ok());
    assert!(begun.elapsed() <= BUDGET / 2 + Duration::from_millis(10));
    let begun = Instant::now();
    assert!(dial(&failover, &nobody(), BUDGET).await.is_ok());
    assert!(begun.elapsed() < Duration::from_millis(10), "passed over");
    assert_eq!(tries([&one, &two]), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn with_all_down_every_target_is_tried_in_order_and_named() {
    let (one, two) = (refusing(), refusing());
    let failover = Failover::new([one.clone(), two.clone()]);
    for round in 1..=3 {
        let error = fails(&failover).await;
        assert_eq!(error.kind, DialErrorKind::Refused);
        assert_eq!(error.detail, "scripted: refused; scripted: refused");
        assert_eq!(tries([&one, &two]), [round, round]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dial_of_all_ends_at_the_budget_and_every_silent_one_counts_as_failed() {
    let failover = Failover::new([silent(), silent(), silent()]);
    let begun = Instant::now();
    assert_eq!(
        dial(&failover, &nobody(), BUDGET)
            .await
            .err()
            .map(|error| error.kind),
        Some(DialErrorKind::TimedOut)
    );
    assert!(begun.elapsed() <= BUDGET + Duration::from_millis(10));

    let last = Scripted::new(NEVER, |_| None);
    let failover = Failover::new([last.clone()]);
    assert!(dial(&failover, &nobody(), BUDGET).await.is_err());
    assert!(dial(&failover, &nobody(), BUDGET).await.is_err());
    assert_eq!(last.tries(), 2, "down, and tried all the same");
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_may_pass_goes_before_one_that_will_not() {
    let unknown = Scripted::new(NOW, |_| Some(DialErrorKind::UnknownName));
    let failover = Failover::new([refusing(), unknown]);
    assert_eq!(fails(&failover).await.kind, DialErrorKind::Refused);
    let none = Failover::<Scripted>::new([]);
    assert_eq!(fails(&none).await.kind, DialErrorKind::Internal);
}

#[tokio::test(start_paused = true)]
async fn trouble_of_this_side_is_not_held_against_a_target() {
    let target = Scripted::new(NOW, |attempt| {
        (attempt == 1).then_some(DialErrorKind::NoRoom)
    });
    let (one, two) = (target, good());
    let failover = Failover::new([one.clone(), two.clone()]);
    for _ in 0..3 {
        assert!(failover.dial(&nobody(), BUDGET).await.is_ok());
    }
    assert_eq!(tries([&one, &two]), [3, 1]);
}

#[tokio::test]
async fn a_tcp_target_stands_in_for_a_unix_one() {
    let dir = tempfile::tempdir().unwrap();
    let missing = UnixTarget::new(dir.path().join("app.sock"));
    let echo = echo().await;
    let failover = Failover::new([
        LocalTarget::from(missing.clone()),
        LocalTarget::from(kernel_target(echo)),
    ]);
    assert_eq!(failover.to_string(), format!("{missing}|{echo}"));
    let (address, accept) = listener().await;
    let serving = serve(address, accept, failover, 1);
    drop(echoes(address).await);
    serving.finish().await;
}
