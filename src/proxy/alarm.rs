//! A wait with a limit, again and again: one timer for all of them.
//!
//! A timer for each wait would be entered into the runtime's list, taken out again, and
//! mostly wake the runtime for it, which is a call into the kernel for each piece of bulk
//! that is waited for. One that is only set to a later time costs none of it.

use std::{pin::Pin, time::Duration};

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer. It is made with the first wait.
#[derive(Debug, Default)]
pub(super) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Returns when so much time has passed from the first time it is asked. Cancel safe.
    pub(super) async fn rings(&mut self, after: Duration) {
        let at = Instant::now() + after;
        match &mut self.0 {
            Some(timer) => timer.as_mut().reset(at),
            None => self.0 = Some(Box::pin(sleep_until(at))),
        }
        if let Some(timer) = &mut self.0 {
            timer.as_mut().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_rings_each_time_after_what_was_asked() {
        let mut alarm = Alarm::default();
        for seconds in [3, 1, 5] {
            let (start, after) = (Instant::now(), Duration::from_secs(seconds));
            alarm.rings(after).await;
            assert_eq!(start.elapsed(), after);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_given_up_leaves_nothing_to_the_next() {
        let mut alarm = Alarm::default();
        let long = alarm.rings(Duration::from_secs(60));
        assert!(timeout(Duration::from_secs(1), long).await.is_err());
        let start = Instant::now();
        alarm.rings(Duration::from_secs(2)).await;
        assert_eq!(start.elapsed(), Duration::from_secs(2));
    }
}
