//! The datagrams that wait for a flow: a queue with a bound in datagrams and in
//! bytes, so that one whose flow is slow loses its own only.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use bytes::Bytes;
use tokio::sync::mpsc;

/// The most datagrams that wait for one flow.
const QUEUE: usize = 128;
/// The most bytes that wait for one flow: two of the longest datagrams.
const QUEUE_BYTES: usize = 128 * 1024;

/// An empty queue: where datagrams are added, and where they are taken.
pub(in crate::proxy) fn queue() -> (Adding, Waiting) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let load = Arc::<Load>::default();
    let adding = Adding {
        queue: sender,
        load: Arc::clone(&load),
    };
    let waiting = Waiting {
        queue: receiver,
        load,
    };
    (adding, waiting)
}

/// What waits for a flow, and what could not.
#[derive(Debug, Default)]
struct Load {
    bytes: AtomicUsize,
    dropped: AtomicU64,
}

/// The end that adds.
#[derive(Debug)]
pub(in crate::proxy) struct Adding {
    queue: mpsc::Sender<Bytes>,
    load: Arc<Load>,
}

impl Adding {
    /// Adds a datagram, or drops and counts it.
    pub(in crate::proxy) fn add(&self, datagram: Bytes) {
        let length = datagram.len();
        // Only this side adds, so that the sum cannot pass the bound.
        let fits = self.load.bytes.load(Relaxed) + length <= QUEUE_BYTES;
        self.load.bytes.fetch_add(length, Relaxed);
        if !fits || self.queue.try_send(datagram).is_err() {
            self.load.bytes.fetch_sub(length, Relaxed);
            self.load.dropped.fetch_add(1, Relaxed);
        }
    }
}

/// The end that takes.
#[derive(Debug)]
pub(in crate::proxy) struct Waiting {
    queue: mpsc::Receiver<Bytes>,
    load: Arc<Load>,
}

impl Waiting {
    /// The next datagram; `None` when no more can be added. Cancel safe.
    pub(in crate::proxy) async fn next(&mut self) -> Option<Bytes> {
        let datagram = self.queue.recv().await?;
        self.load.bytes.fetch_sub(datagram.len(), Relaxed);
        Some(datagram)
    }

    /// Datagrams that found no room so far.
    pub(in crate::proxy) fn dropped(&self) -> u64 {
        self.load.dropped.load(Relaxed)
    }

    /// Datagrams that wait, or found no room: what is lost when nobody takes any.
    pub(in crate::proxy) fn lost(&self) -> u64 {
        self.dropped() + self.queue.len() as u64
    }
}
