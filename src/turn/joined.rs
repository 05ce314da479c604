//! A task that somebody waits for.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::oneshot;

use super::Task;

/// Starts a task and waits for what it returns; a panic goes on here.
///
/// # Cancel safety
/// Dropping the future ends the task: at once, or when it next waits if it goes on in some
/// thread just now.
pub async fn joined<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let (tell, told) = oneshot::channel();
    let task = Task::start(Box::pin(async move {
        let mut work = Box::pin(work);
        let outcome = poll_fn(|cx| {
            let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx)));
            match polled {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
                Err(panic) => Poll::Ready(Err(panic)),
            }
        })
        .await;
        drop(work);
        // Who does not hear of it any more has dropped the future.
        let _ = tell.send(outcome);
    }));
    let _task = EndOnDrop(task);
    match told.await {
        Ok(Ok(value)) => value,
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => resume_unwind(ended_with_the_runtime()),
    }
}

fn ended_with_the_runtime() -> Box<dyn Any + Send> {
    Box::new("the task has ended with its runtime")
}

struct EndOnDrop(Arc<Task>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::super::leave;
    use super::super::tests::{PATIENCE, runtime};
    use super::*;

    /// Says when it is dropped.
    struct Says(mpsc::Sender<()>);

    impl Drop for Says {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
        }
    }

    #[test]
    fn who_joins_gets_the_value_or_the_panic() {
        let runtime = runtime();
        assert_eq!(runtime.block_on(joined(async { 7 })), 7);
        let panicked =
            runtime.block_on(async { tokio::spawn(joined(async { panic!("on purpose") })).await });
        assert!(panicked.unwrap_err().is_panic());
    }

    #[test]
    fn who_does_not_join_any_more_ends_the_task() {
        let runtime = runtime();
        let (say, said) = mpsc::channel();
        let says = Says(say);
        let (begun, has_begun) = mpsc::channel();
        let waiting = runtime.spawn(joined(async move {
            let _says = says;
            begun.send(()).unwrap();
            std::future::pending::<()>().await;
        }));
        has_begun.recv_timeout(PATIENCE).unwrap();
        assert!(said.try_recv().is_err());
        waiting.abort();
        said.recv_timeout(PATIENCE).unwrap();
    }

    #[test]
    fn who_does_not_join_any_more_ends_what_has_left_too() {
        let runtime = runtime();
        let (say, said) = mpsc::channel();
        let says = Says(say);
        let (left, has_left) = mpsc::channel();
        let waiting = runtime.spawn(joined(async move {
            let _says = says;
            leave().await;
            left.send(()).unwrap();
            std::future::pending::<()>().await;
        }));
        has_left.recv_timeout(PATIENCE).unwrap();
        waiting.abort();
        said.recv_timeout(PATIENCE).unwrap();
    }
}
