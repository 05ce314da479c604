//! A target that answers as a test's script says.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use tailport::proxy::{
    endpoint::{Dial, DialError, DialErrorKind},
    origin::Origin,
};
use tokio::time::sleep;

use crate::support::{UnixSide, unix};

/// A target that answers each try as the script says, after a while.
#[derive(Clone)]
pub(crate) struct Scripted {
    takes: Duration,
    answer: fn(u32) -> Option<DialErrorKind>,
    tries: Arc<AtomicU32>,
}

impl Scripted {
    pub(crate) fn new(takes: Duration, answer: fn(u32) -> Option<DialErrorKind>) -> Self {
        Self {
            takes,
            answer,
            tries: Arc::default(),
        }
    }

    pub(crate) fn tries(&self) -> u32 {
        self.tries.load(SeqCst)
    }
}

impl fmt::Display for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("scripted")
    }
}

impl Dial for Scripted {
    type Stream = UnixSide;

    async fn dial(&self, _: &Origin, _budget: Duration) -> Result<UnixSide, DialError> {
        let attempt = self.tries.fetch_add(1, SeqCst) + 1;
        sleep(self.takes).await;
        match (self.answer)(attempt) {
            Some(kind) => Err(DialError::new(kind, "")),
            None => Ok(unix().0),
        }
    }
}
