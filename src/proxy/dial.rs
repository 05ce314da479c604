//! The whole dial of one connection: tries, pauses and the budget over all.
//!
//! A target that answers at once that it is not there (refused, reset,
//! unreachable) gets another chance, because services restart; but all tries
//! begin within one second, so that a dead target does not hold slots. A
//! timeout is not tried again: it has used the time that there was.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::{
    endpoint::{Dial, DialError, DialErrorKind},
    origin::Origin,
};

/// The most tries of one dial.
const TRIES: u32 = 3;
/// The time from the start within which every try begins.
const RETRY_WINDOW: Duration = Duration::from_secs(1);
/// The pause before the second try; it doubles for the third, and is drawn from
/// its half to its whole so that connections that failed together part.
const PAUSE: Duration = Duration::from_millis(200);

/// Dials for a connection from `origin` within `budget`, which covers name resolution and every try.
///
/// # Errors
/// The failure of the last try, or a timeout when the budget is used up.
///
/// # Cancel safety
/// Dropping the future gives up the dial and leaves nothing behind.
pub async fn dial<D: Dial>(
    target: &D,
    origin: &Origin,
    budget: Duration,
) -> Result<D::Stream, DialError> {
    let start = Instant::now();
    let window = RETRY_WINDOW.min(budget);
    let mut pause = PAUSE;
    let mut tries = 1;
    loop {
        let left = budget.saturating_sub(start.elapsed());
        let error = match timeout(left, target.dial(origin, left)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => error,
            Err(_) => DialError::new(DialErrorKind::TimedOut, format!("no answer in {budget:?}")),
        };
        let wait = pause.mul_f64(0.5 + fastrand::f64() / 2.0);
        let again = error.retry()
            && error.kind != DialErrorKind::TimedOut
            && tries < TRIES
            && start.elapsed() + wait < window;
        if !again {
            return Err(error);
        }
        tracing::debug!(target = %target, %error, "dialing again");
        sleep(wait).await;
        pause *= 2;
        tries += 1;
    }
}
