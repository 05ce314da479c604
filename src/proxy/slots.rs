//! The connection cap: exact over the whole process, with room for a lower cap
//! of one forward.
//!
//! A [`Slot`] holds its permits until it is dropped, so that it returns on every
//! path: a normal end, an error, a cancelled task, a panic. Closing the slots is
//! the gate of a drain: nothing is claimed after it, what is held stays valid.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A number of slots, shared by all clones.
#[derive(Debug, Clone)]
pub struct Slots {
    all: Arc<Semaphore>,
    own: Option<Arc<Semaphore>>,
    /// Held by whoever claims from two caps: while it has one permit and asks for
    /// the other, nobody may be refused for want of a permit that is to return.
    claiming: Arc<Mutex<()>>,
    refused: Arc<AtomicU64>,
}

impl Slots {
    /// As many slots as connections may be open at once.
    pub fn new(cap: usize) -> Self {
        Self {
            all: semaphore(cap),
            own: None,
            claiming: Arc::default(),
            refused: Arc::default(),
        }
    }

    /// The same slots, of which the holders of this handle together take at most
    /// `cap`: the lower cap of one forward.
    #[must_use]
    pub fn at_most(&self, cap: usize) -> Self {
        Self {
            own: Some(semaphore(cap)),
            ..self.clone()
        }
    }

    /// Claims a slot, at once or not at all. A refusal for want of one is counted.
    ///
    /// # Errors
    /// Why there is none.
    pub fn claim(&self) -> Result<Slot, NoSlot> {
        self.try_claim().inspect_err(|reason| {
            if *reason != NoSlot::Closed {
                self.refused.fetch_add(1, Relaxed);
            }
        })
    }

    /// Ends claiming for every handle. Slots already held are not touched.
    pub fn close(&self) {
        self.all.close();
    }

    /// Slots that can be claimed now.
    pub fn free(&self) -> usize {
        let all = self.all.available_permits();
        self.own
            .as_ref()
            .map_or(all, |own| all.min(own.available_permits()))
    }

    /// Claims refused for want of a slot so far, over all handles.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    fn try_claim(&self) -> Result<Slot, NoSlot> {
        if self.all.is_closed() {
            return Err(NoSlot::Closed);
        }
        let _claiming = self.claiming.lock().unwrap_or_else(PoisonError::into_inner);
        // The forward's own first: its failure then never touches the shared cap.
        let own = match &self.own {
            None => None,
            Some(own) => Some(
                Arc::clone(own)
                    .try_acquire_owned()
                    .map_err(|_| NoSlot::ForwardFull)?,
            ),
        };
        let all = Arc::clone(&self.all)
            .try_acquire_owned()
            .map_err(|error| match error {
                tokio::sync::TryAcquireError::Closed => NoSlot::Closed,
                tokio::sync::TryAcquireError::NoPermits => NoSlot::Full,
            })?;
        Ok(Slot {
            _own: own,
            _all: all,
        })
    }
}

fn semaphore(cap: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(cap.min(Semaphore::MAX_PERMITS)))
}

/// The right to have one connection open, given back when dropped.
#[derive(Debug)]
#[must_use]
pub struct Slot {
    // Returned first, so that a forward never holds more of its own than of the whole.
    _own: Option<OwnedSemaphorePermit>,
    _all: OwnedSemaphorePermit,
}

/// Why there is no slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoSlot {
    /// The process has as many connections as it may.
    #[error("the connection cap is reached")]
    Full,
    /// The forward has as many connections as it may.
    #[error("the forward's own connection cap is reached")]
    ForwardFull,
    /// The slots are closed: the program is stopping.
    #[error("stopping")]
    Closed,
}
