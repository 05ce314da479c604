//! The ends of a node's junctions: one mailbox for all of them, and each end to the
//! stream that waits for it.
//!
//! Most junctions come to both of their ends, and all that is left to do is to say so: such
//! an end is taken by hand. After any other one there are bytes to move, in the runtime.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::connection::ConnectionId;
use super::hand::{Hand, Take};
use super::mailbox::{Mailbox, decode};
use super::message::{Parting, Partings as Told};
use super::sys::{self, NodeHandle};

/// Hears of the ends of a node's junctions as long as the node is there. A copy is the
/// same one.
#[derive(Clone, Debug)]
pub(super) struct Partings {
    /// `None` once nothing more is heard.
    waiting: Arc<Mutex<Option<Waiting>>>,
}

type Waiting = HashMap<ConnectionId, oneshot::Sender<Parting>>;

impl Partings {
    /// Begins to hear of a node's; needs a tokio runtime. The task ends with the node.
    pub(super) fn open(node: NodeHandle) -> io::Result<(Self, JoinHandle<()>)> {
        let partings = Self::new();
        let hand = Hand::new(Arc::new(partings.clone()));
        let mailbox = Mailbox::new(sys::partings(node, &hand)?)?;
        let hearing = partings.clone().hear(mailbox);
        let hearing = tokio::spawn(async move {
            let _held_out = hand;
            hearing.await;
        });
        Ok((partings, hearing))
    }

    fn new() -> Self {
        Self {
            waiting: Arc::new(Mutex::new(Some(HashMap::new()))),
        }
    }

    async fn hear(self, mut mailbox: Mailbox<Told>) {
        while let Some(told) = mailbox.next().await {
            match told {
                Ok(Told::Parted(parting)) => self.pass_on(parting),
                Err(error) => tracing::error!("the ends of junctions are not heard of: {error}"),
            }
        }
        // Dropped without the lock: who waits is woken, and may come here.
        let waiting = self.lock().take();
        drop(waiting);
    }

    fn pass_on(&self, parting: Parting) {
        let waits = self.lock().as_mut().and_then(|all| all.remove(&parting.id));
        // Who does not wait any more has aborted the connection.
        let _ = waits.map(|waits| waits.send(parting));
    }

    /// The end of a connection's junction, to be asked for before it begins.
    pub(super) fn of(&self, id: ConnectionId) -> Part {
        let (tell, told) = oneshot::channel();
        if let Some(waiting) = self.lock().as_mut() {
            waiting.insert(id, tell);
        }
        let partings = self.clone();
        Part { partings, id, told }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Take for Partings {
    fn take(&self, message: &[u8]) -> bool {
        match decode(message) {
            Ok(Told::Parted(parting)) if parting.is_over() => {
                self.pass_on(parting);
                true
            }
            _ => false,
        }
    }
}

/// The end of one junction.
#[derive(Debug)]
pub(super) struct Part {
    partings: Partings,
    id: ConnectionId,
    told: oneshot::Receiver<Parting>,
}

impl Part {
    /// Waits for it.
    ///
    /// # Errors
    ///
    /// When it will not be heard of: the node has been closed.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Parting>> {
        let told = ready!(Pin::new(&mut self.told).poll(cx));
        Poll::Ready(told.map_err(|_| io::ErrorKind::UnexpectedEof.into()))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let waits = self
            .partings
            .lock()
            .as_mut()
            .and_then(|all| all.remove(&self.id));
        drop(waits);
    }
}

#[cfg(test)]
pub(super) mod tests;
