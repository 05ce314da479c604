//! A task that somebody waits for.

use futures_util::FutureExt;

use super::spawn;

/// Starts a task and waits for what it returns; a panic goes on here.
///
/// # Cancel safety
/// Dropping the future wakes the task, which ends then.
pub async fn joined<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let (work, end) = work.remote_handle();
    spawn(work);
    end.await
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
