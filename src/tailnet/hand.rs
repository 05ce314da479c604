//! Messages by hand: the Go half gives one to who waits for it, in the thread that has it,
//! in place of writing it to the mailbox. A task of [`crate::turn`] goes on in that thread.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::runtime::Handle;

use crate::turn::turn;

/// Whoever takes messages by hand.
pub(super) trait Take: Send + Sync + 'static {
    /// Takes a message, or leaves it to the mailbox. Immediate.
    fn take(&self, message: &[u8]) -> bool;
}

/// Takes the messages of one mailbox as long as it is there.
pub(super) struct Hand {
    key: u64,
}

struct Held {
    runtime: Handle,
    takes: Arc<dyn Take>,
}

static HANDS: RwLock<BTreeMap<u64, Arc<Held>>> = RwLock::new(BTreeMap::new());
static NEXT: AtomicU64 = AtomicU64::new(1);

impl Hand {
    /// Holds one out; needs a tokio runtime.
    pub(super) fn new(takes: Arc<dyn Take>) -> Self {
        let key = NEXT.fetch_add(1, Ordering::Relaxed);
        let runtime = Handle::current();
        let mut hands = HANDS.write().unwrap_or_else(PoisonError::into_inner);
        hands.insert(key, Arc::new(Held { runtime, takes }));
        Self { key }
    }

    /// What the Go half knows it by.
    pub(super) fn key(&self) -> u64 {
        self.key
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        let mut hands = HANDS.write().unwrap_or_else(PoisonError::into_inner);
        let held = hands.remove(&self.key);
        drop(hands); // before what was held, which may be anything
        drop(held);
    }
}

impl fmt::Debug for Hand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hand").field("key", &self.key).finish()
    }
}

/// Offers a message: whether it was taken. A fault leaves it to the mailbox.
pub(super) fn offer(key: u64, message: &[u8]) -> bool {
    let hands = HANDS.read().unwrap_or_else(PoisonError::into_inner);
    let Some(hand) = hands.get(&key).map(Arc::clone) else {
        return false; // it is not held out any more
    };
    drop(hands);
    turn(&hand.runtime, || {
        catch_unwind(AssertUnwindSafe(|| hand.takes.take(message))).unwrap_or(false)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::thread::{self, ThreadId};

    use tokio::sync::Notify;

    use super::*;
    use crate::turn::spawn;

    /// Takes what is not empty, and wakes who waits for it.
    #[derive(Default)]
    struct Takes {
        taken: Mutex<Vec<Vec<u8>>>,
        news: Notify,
    }

    impl Take for Takes {
        fn take(&self, message: &[u8]) -> bool {
            assert_ne!(message, b"panic");
            self.taken.lock().unwrap().push(message.to_vec());
            self.news.notify_one();
            !message.is_empty()
        }
    }

    #[tokio::test]
    async fn each_hand_takes_its_own_messages_as_long_as_it_is_held_out() {
        let (one, other) = (Arc::new(Takes::default()), Arc::new(Takes::default()));
        let hand = Hand::new(Arc::clone(&one) as _);
        let second = Hand::new(Arc::clone(&other) as _);
        assert!(offer(hand.key(), b"first"));
        assert!(offer(second.key(), b"second"));
        assert!(!offer(hand.key(), b""), "it would not have it");
        let gone = hand.key();
        drop(hand);
        assert!(!offer(gone, b"late"));
        assert!(!offer(u64::MAX, b"nobody's"));
        assert_eq!(*one.taken.lock().unwrap(), [b"first".to_vec(), Vec::new()]);
        assert_eq!(*other.taken.lock().unwrap(), [b"second".to_vec()]);
    }

    #[tokio::test]
    async fn a_fault_leaves_the_message_to_the_mailbox() {
        let hand = Hand::new(Arc::new(Takes::default()));
        assert!(!offer(hand.key(), b"panic"));
        assert!(offer(hand.key(), b"the next one"));
    }

    #[tokio::test]
    async fn who_waits_goes_on_in_the_thread_that_has_the_message() {
        let takes = Arc::new(Takes::default());
        let hand = Hand::new(Arc::clone(&takes) as _);
        let (say, mut said) = tokio::sync::mpsc::unbounded_channel::<ThreadId>();
        spawn(async move {
            loop {
                say.send(thread::current().id()).unwrap();
                takes.news.notified().await;
            }
        });
        assert_eq!(said.recv().await, Some(thread::current().id()), "it waits");
        let other = thread::spawn(move || {
            assert!(offer(hand.key(), b"news"));
            thread::current().id()
        });
        let other = other.join().unwrap();
        assert_eq!(said.recv().await, Some(other));
    }
}
