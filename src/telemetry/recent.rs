//! The connections that ended last: a short memory for a status page, bounded.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::metrics::Ended;

/// How many are remembered, over all forwards.
pub const REMEMBERED: usize = 50;

/// A connection that has ended, as its closing line in the log tells it.
#[derive(Clone, Debug)]
pub struct Past {
    /// When it ended.
    pub at: SystemTime,
    /// The forward's name.
    pub forward: String,
    /// Where it came from.
    pub peer: String,
    /// Who that is on the tailnet, when it is known.
    pub who: Option<String>,
    /// Where it was led, as configured.
    pub target: String,
    /// Bytes delivered to the target.
    pub to_target: u64,
    /// Bytes delivered to the peer.
    pub to_peer: u64,
    /// From the accept to the end.
    pub duration: Duration,
    /// How it ended.
    pub ended: Ended,
}

/// The last [`REMEMBERED`] connections, the oldest first.
#[derive(Debug, Default)]
pub struct Recent(Mutex<VecDeque<Past>>);

impl Recent {
    /// Remembers one, and forgets the oldest when there are too many.
    pub fn remember(&self, past: Past) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED {
            all.pop_front();
        }
        all.push_back(past);
    }

    /// All that are remembered, the newest first.
    pub fn newest_first(&self) -> Vec<Past> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().rev().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_ones_are_remembered() {
        let recent = Recent::default();
        for bytes in 0..REMEMBERED as u64 + 3 {
            recent.remember(Past {
                at: SystemTime::UNIX_EPOCH,
                forward: "expose 22/tcp".to_owned(),
                peer: "100.64.0.1:1".to_owned(),
                who: None,
                target: "127.0.0.1:22".to_owned(),
                to_target: bytes,
                to_peer: 0,
                duration: Duration::ZERO,
                ended: Ended::Clean,
            });
        }
        let all = recent.newest_first();
        assert_eq!(all.len(), REMEMBERED);
        assert_eq!(all[0].to_target, REMEMBERED as u64 + 2);
        assert_eq!(all[REMEMBERED - 1].to_target, 3);
    }
}
