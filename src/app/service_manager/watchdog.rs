//! The sign of life that a service manager's watchdog waits for.
//!
//! It needs a worker of the runtime that takes a task, and a Go half that answers one
//! question. What the answer says does not matter: a node that waits for a person, for its
//! control server or for a descriptor is nothing that a restart would mend.

use std::convert::Infallible;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::ServiceManager;
use super::notify::Word;
use crate::app::operations::Desk;

/// So often in the manager's limit a sign is due, and so long a question may take: one that
/// is lost is asked again before the limit is reached.
const PER_LIMIT: u32 = 3;

/// Gives signs for as long as the program lives.
pub(super) async fn ping(manager: &ServiceManager, desk: &Desk, limit: Duration) -> Infallible {
    let share = limit / PER_LIMIT;
    loop {
        let node = desk.node();
        // Before there is a node only the runtime is asked.
        let question = async move {
            if let Some(node) = node {
                let _ = node.status().await;
            }
        };
        if is_answered(question, share).await {
            manager.say(&[Word::Watchdog]).await;
            sleep(share).await;
        } else {
            tracing::warn!(waited = ?share, "the node does not answer");
        }
    }
}

/// Whether a worker of the runtime puts a question and has it answered in time.
async fn is_answered(
    question: impl Future<Output = ()> + Send + 'static,
    patience: Duration,
) -> bool {
    let mut asked = JoinSet::new();
    asked.spawn(question);
    timeout(patience, asked.join_next()).await.is_ok()
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test(start_paused = true)]
    async fn only_an_answer_is_a_sign_of_life() {
        assert!(is_answered(ready(()), PATIENCE).await);
        assert!(!is_answered(pending(), PATIENCE).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_is_given_up_is_taken_back() {
        let (held, dropped) = tokio::sync::oneshot::channel::<()>();
        let question = async move {
            let _held = held;
            pending().await
        };
        assert!(!is_answered(question, PATIENCE).await);
        assert!(dropped.await.is_err());
    }
}
