//! The service manager, such as systemd: what it gave the process at its start, and what it
//! is told from then on, in the protocol of sd_notify(3).
//!
//! | file | its one idea |
//! |---|---|
//! | `environment` | the variables by which it is given |
//! | `handover` | what was given, from the environment |
//! | `sockets` | of that, the listeners |
//! | `notify` | the socket that notifications go to, and their words |
//! | `status_line` | what `systemctl status` shows |
//! | `watchdog` | the sign that the program still does its work |
//!
//! No crate is taken for the protocol: those that are kept read the environment at every
//! message, from which the variables are gone before there are threads.

mod environment;
mod handover;
mod notify;
mod sockets;
mod status_line;
mod watchdog;

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

pub(super) use environment::VARIABLES;
pub(super) use handover::Handover;
use notify::{Notifier, Word};
pub(super) use sockets::Sockets;

use super::failure::Failure;
use super::operations::Desk;
use crate::admin::{NodeStatus, Phase, Refusal};
use crate::telemetry::registry::Registry;

/// How often it is looked whether there is something new to tell.
const LOOK: Duration = Duration::from_secs(5);

/// What a start, a reload or a stop may take beyond the manager's own timeout, counted from
/// the last message: some messages may be late on a machine that is busy.
const EXTENSION: Duration = Duration::from_secs(30);

/// The service manager of a running program; without one nothing is told to anybody.
pub(super) struct ServiceManager {
    notifier: Option<Notifier>,
    watchdog: Option<Duration>,
    status: watch::Receiver<NodeStatus>,
    registry: Arc<Registry>,
    facts: watch::Sender<Facts>,
}

/// What only the program knows.
#[derive(Debug, Default)]
struct Facts {
    forwards: usize,
    reloading: bool,
    /// Why the last reload changed nothing.
    refused: Option<String>,
    /// The status as it was told last.
    told: String,
}

impl ServiceManager {
    /// The manager that handed this over, to be told how the node and the forwards are, and
    /// the listeners that it passed. Needs a tokio runtime.
    pub(super) fn new(
        handover: Handover,
        status: watch::Receiver<NodeStatus>,
        registry: Arc<Registry>,
    ) -> (Self, Sockets) {
        let notifier = handover.socket.and_then(|socket| {
            Notifier::new(socket)
                .inspect_err(|error| tracing::warn!(%error, "the service manager is told nothing"))
                .ok()
        });
        let manager = Self {
            notifier,
            watchdog: handover.watchdog,
            status,
            registry,
            facts: watch::Sender::default(),
        };
        (manager, handover.sockets)
    }

    /// The program serves so many forwards.
    ///
    /// # Cancel safety
    /// Safe: it is told or not.
    pub(super) async fn ready(&self, forwards: usize) {
        self.facts.send_modify(|facts| facts.forwards = forwards);
        self.say(&[Word::Ready, Word::Status(&self.line())]).await;
    }

    /// The configuration is being read again. [`ServiceManager::reloaded`] must follow.
    ///
    /// # Cancel safety
    /// Safe: it is told or not.
    pub(super) async fn reloading(&self) {
        self.facts.send_modify(|facts| facts.reloading = true);
        self.say(&[Word::Reloading, Word::Now, Word::Status(&self.line())])
            .await;
    }

    /// It has been read, and these are the forwards now; `done` says whether it was any good.
    ///
    /// # Cancel safety
    /// Safe: it is told or not.
    pub(super) async fn reloaded(&self, forwards: usize, done: &Result<Vec<String>, Refusal>) {
        self.facts.send_modify(|facts| {
            facts.forwards = forwards;
            facts.reloading = false;
            facts.refused = done.as_ref().err().map(ToString::to_string);
        });
        self.say(&[Word::Ready, Word::Status(&self.line())]).await;
    }

    /// The program ends for this reason.
    ///
    /// # Cancel safety
    /// Safe: it is told or not.
    pub(super) async fn failed(&self, failure: &Failure) {
        let line = status_line::clean(&format!("failed: {failure}"));
        self.say(&[Word::Status(&line)]).await;
    }

    /// Tells what changes, and that the program lives, for as long as it does. It stops
    /// asking for patience `grace` after the stop has begun.
    ///
    /// # Cancel safety
    /// Safe: what has not been told yet is not told.
    pub(super) async fn attend(
        &self,
        desk: &Desk,
        stopping: &CancellationToken,
        grace: Duration,
    ) -> Infallible {
        if self.notifier.is_none() {
            return pending().await;
        }
        let pings = async {
            match self.watchdog {
                Some(limit) => watchdog::ping(self, desk, limit).await,
                None => pending().await,
            }
        };
        tokio::select! {
            never = self.tell(stopping, grace) => never,
            never = pings => never,
        }
    }

    async fn tell(&self, stopping: &CancellationToken, grace: Duration) -> Infallible {
        let mut status = self.status.clone();
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut patience_ends = None;
        loop {
            let mut words = Vec::new();
            tokio::select! {
                biased;
                () = stopping.cancelled(), if patience_ends.is_none() => {
                    patience_ends = Some(Instant::now() + grace);
                    words.push(Word::Stopping);
                }
                Ok(()) = status.changed() => {}
                _ = look.tick() => {}
            }
            let waits = match patience_ends {
                Some(until) => Instant::now() < until,
                // Each wait of a start and of a reload has a bound of its own.
                None => {
                    let starting = status.borrow_and_update().phase == Phase::Starting;
                    starting || self.facts.borrow().reloading
                }
            };
            if waits {
                words.push(Word::Extend(EXTENSION));
            }
            let line = match patience_ends {
                Some(_) => status_line::stopping(self.registry.total().active),
                None => self.line(),
            };
            if line != self.facts.borrow().told {
                words.push(Word::Status(&line));
            }
            self.say(&words).await;
        }
    }

    fn line(&self) -> String {
        let facts = self.facts.borrow();
        if facts.reloading {
            return "reloading".to_owned();
        }
        let active = self.registry.total().active;
        status_line::of(
            &self.status.borrow(),
            facts.forwards,
            active,
            facts.refused.as_deref(),
        )
    }

    async fn say(&self, words: &[Word<'_>]) {
        for word in words {
            if let Word::Status(line) = word {
                self.facts
                    .send_modify(|facts| (*line).clone_into(&mut facts.told));
            }
        }
        if let Some(notifier) = &self.notifier
            && let Err(error) = notifier.say(words).await
        {
            tracing::debug!(%error, "the service manager did not take a message");
        }
    }
}
