//! Every forward's counters by the forward's name, and their sums.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::metrics::{Metrics, Snapshot};
use super::recent::Recent;

/// The counters of all forwards there are or were. As many as the configuration has
/// named, so they are bounded.
#[derive(Debug, Default)]
pub struct Registry {
    forwards: Mutex<BTreeMap<String, Counted>>,
    recent: Arc<Recent>,
}

#[derive(Debug)]
struct Counted {
    target: String,
    metrics: Arc<Metrics>,
}

/// One forward at one moment.
#[derive(Clone, Debug)]
pub struct ForwardSnapshot {
    /// Its name, as in the log.
    pub name: String,
    /// Where it leads, as configured.
    pub target: String,
    /// Its counters.
    pub counts: Snapshot,
}

impl Registry {
    /// The counters of a forward; those of an earlier one of the same name go on, so that
    /// a counter never falls.
    pub fn forward(&self, name: &str, target: &str) -> Arc<Metrics> {
        let mut forwards = self.lock();
        let counted = forwards.entry(name.to_owned()).or_insert_with(|| Counted {
            target: String::new(),
            metrics: Arc::new(Metrics::new(Arc::clone(&self.recent))),
        });
        target.clone_into(&mut counted.target);
        Arc::clone(&counted.metrics)
    }

    /// Every forward as it is now, by name.
    pub fn snapshot(&self) -> Vec<ForwardSnapshot> {
        let forwards = self.lock();
        let all = forwards.iter().map(|(name, counted)| ForwardSnapshot {
            name: name.clone(),
            target: counted.target.clone(),
            counts: counted.metrics.snapshot(),
        });
        all.collect()
    }

    /// The sums over all forwards.
    pub fn total(&self) -> Snapshot {
        let mut total = Snapshot::default();
        for forward in self.snapshot() {
            total.add(&forward.counts);
        }
        total
    }

    /// The connections that ended last, over all forwards.
    pub fn recent(&self) -> &Recent {
        &self.recent
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Counted>> {
        self.forwards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::Ended;

    #[test]
    fn forwards_count_for_themselves_and_the_total_is_their_sum() {
        let registry = Registry::default();
        let (ssh, rdp) = (registry.forward("a", "x:1"), registry.forward("b", "y:2"));
        ssh.begin().end(Ended::Clean);
        let held = rdp.begin();
        rdp.refuse();
        let each = registry.snapshot();
        let names: Vec<_> = each.iter().map(|one| (&*one.name, &*one.target)).collect();
        assert_eq!(names, [("a", "x:1"), ("b", "y:2")]);
        assert_eq!(each[0].counts.ended(Ended::Clean), 1);
        assert_eq!(each[1].counts.ended(Ended::Clean), 0);
        let total = registry.total();
        assert_eq!((total.accepted, total.active, total.refused), (2, 1, 1));
        assert_eq!(total.ended(Ended::Clean), 1);
        drop(held);
        assert_eq!(registry.total().active, 0);
    }

    #[test]
    fn a_forward_that_comes_back_goes_on_counting() {
        let registry = Registry::default();
        registry.forward("a", "x:1").refuse();
        registry.forward("a", "z:3").refuse();
        let each = registry.snapshot();
        assert_eq!((each.len(), each[0].counts.refused), (1, 2));
        assert_eq!(each[0].target, "z:3");
    }
}
