//! Where an accept waits: for a connection that is given to it by hand, or for what the
//! mailbox has.
//!
//! Only who waits, or has waited and not been given anything, is given something. So what
//! comes while nobody accepts, in a pause or before the end, is written to the mailbox,
//! which has a bound.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::hand::Take;
use super::mailbox::decode;
use super::message::{Announced, Listen};
use super::protocol::ProtocolError;

/// Where an accept waits.
#[derive(Debug, Default)]
pub(super) struct Door(Mutex<Waits>);

#[derive(Debug, Default)]
struct Waits {
    /// Who waits, until something has been given to it.
    waker: Option<Waker>,
    given: Option<Announced>,
}

type Next = Option<Result<Listen, ProtocolError>>;

impl Door {
    fn lock(&self) -> MutexGuard<'_, Waits> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was given, or what has come otherwise; to wait for either is to be given it.
    ///
    /// # Cancel safety
    ///
    /// What was given to one who waits no longer is the next one's.
    pub(super) fn wait(
        &self,
        cx: &mut Context<'_>,
        otherwise: impl FnOnce(&mut Context<'_>) -> Poll<Next>,
    ) -> Poll<Next> {
        let mut waits = self.lock();
        waits.waker = None;
        if let Some(given) = waits.given.take() {
            return Poll::Ready(Some(Ok(Listen::Accepted(given))));
        }
        let next = otherwise(cx);
        if next.is_pending() {
            waits.waker = Some(cx.waker().clone());
        }
        next
    }
}

impl Take for Door {
    fn take(&self, message: &[u8]) -> bool {
        let mut waits = self.lock();
        if waits.waker.is_none() {
            return false;
        }
        let Ok(Listen::Accepted(announced)) = decode(message) else {
            return false;
        };
        waits.given = Some(announced);
        let waker = waits.waker.take();
        drop(waits);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Waker;

    use super::*;

    const ACCEPTED: &[u8] =
        br#"{"type":"accepted","id":7,"remote":"100.64.0.2:1","local":"100.64.0.1:22"}"#;

    fn wait(door: &Door) -> Poll<Next> {
        door.wait(&mut Context::from_waker(Waker::noop()), |_| Poll::Pending)
    }

    fn given(next: Poll<Next>) -> u64 {
        match next {
            Poll::Ready(Some(Ok(Listen::Accepted(announced)))) => announced.id.0,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn who_waits_is_woken_with_what_is_given() {
        let door = Door::default();
        let next = poll_fn(|cx| door.wait(cx, |_| Poll::Pending));
        let (next, ()) = tokio::join!(next, async { assert!(door.take(ACCEPTED)) });
        assert_eq!(given(Poll::Ready(next)), 7);
    }

    #[test]
    fn nothing_is_given_while_nobody_waits() {
        let door = Door::default();
        assert!(!door.take(ACCEPTED));
        assert!(wait(&door).is_pending());
        assert!(door.take(ACCEPTED));
        assert!(!door.take(ACCEPTED), "the second one finds nobody");
        assert_eq!(given(wait(&door)), 7);
        assert!(!door.take(ACCEPTED), "nobody waits again yet");
    }

    #[test]
    fn what_the_mailbox_has_ends_the_wait() {
        let door = Door::default();
        assert!(wait(&door).is_pending());
        let told = door.wait(&mut Context::from_waker(Waker::noop()), |_| {
            Poll::Ready(None)
        });
        assert!(matches!(told, Poll::Ready(None)));
        assert!(!door.take(ACCEPTED));
    }

    #[test]
    fn what_is_no_connection_is_the_mailboxs() {
        let door = Door::default();
        assert!(wait(&door).is_pending());
        for other in [
            &br#"{"type":"listening","address":":22"}"#[..],
            br#"{"type":"error","kind":"closed","detail":""}"#,
            br#"{"type":"accepted"}"#,
            b"",
        ] {
            assert!(!door.take(other));
        }
        assert!(door.take(ACCEPTED), "it waits still");
    }
}
