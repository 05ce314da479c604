//! How the program is asked to stop: first gently, then at once.
//!
//! Two tokens travel down to everything that runs. `drain` says: take nothing
//! new. `abort` says: what still runs has had its time. Who cancels them and
//! when is decided by the caller; signals come in as an argument.

use std::fmt;

use tokio_util::sync::CancellationToken;

/// The two requests to stop, shared by all clones.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// Cancelled: nothing new is accepted, what runs may finish.
    pub drain: CancellationToken,
    /// Cancelled: the grace is over, what still runs is ended now.
    pub abort: CancellationToken,
}

impl Shutdown {
    /// Obeys signals: the first one starts the drain, the second one also
    /// aborts. Returns after the second, when the caller should end at once, or
    /// when there are no more to come.
    ///
    /// # Cancel safety
    /// Cancel safe: what has been cancelled stays so.
    pub async fn obey(&self, mut signals: impl Signals) {
        let Some(first) = signals.next().await else {
            return;
        };
        // Said when it is true: who has read it finds nothing accepted any more.
        self.drain.cancel();
        tracing::info!(signal = %first, "stopping; a second signal ends at once");
        let Some(second) = signals.next().await else {
            return;
        };
        self.abort.cancel();
        tracing::warn!(signal = %second, "ending at once");
    }
}

/// A signal that asks the process to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGTERM, as a service manager sends it.
    Terminate,
    /// SIGINT, as a terminal sends it.
    Interrupt,
}

impl fmt::Display for StopSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
        })
    }
}

/// Where requests to stop come from.
pub trait Signals: Send {
    /// The next one; `None` when there will be no more.
    ///
    /// # Cancel safety
    /// Cancel safe: no signal is lost.
    fn next(&mut self) -> impl Future<Output = Option<StopSignal>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    impl Signals for mpsc::Receiver<StopSignal> {
        async fn next(&mut self) -> Option<StopSignal> {
            self.recv().await
        }
    }

    #[tokio::test]
    async fn the_first_signal_drains_and_only_the_second_aborts() {
        let (send, signals) = mpsc::channel(1);
        let shutdown = Shutdown::default();
        let obeying = shutdown.clone();
        let task = tokio::spawn(async move { obeying.obey(signals).await });

        assert!(!shutdown.drain.is_cancelled());
        send.send(StopSignal::Terminate).await.unwrap();
        shutdown.drain.cancelled().await;
        assert!(!shutdown.abort.is_cancelled());

        send.send(StopSignal::Interrupt).await.unwrap();
        task.await.unwrap();
        assert!(shutdown.abort.is_cancelled());
    }

    #[tokio::test]
    async fn an_end_of_signals_aborts_nothing() {
        let (send, signals) = mpsc::channel(1);
        send.send(StopSignal::Terminate).await.unwrap();
        drop(send);
        let shutdown = Shutdown::default();
        shutdown.obey(signals).await;
        assert!(shutdown.drain.is_cancelled());
        assert!(!shutdown.abort.is_cancelled());
    }
}
