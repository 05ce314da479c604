//! By which ways the node's peers are reached: counted for metrics, asked seldom and kept.
//!
//! The node tells every peer for one answer, which is much on a large tailnet. So it is asked
//! at most every 10 s, whoever looks, and one that does not answer holds up nobody for longer
//! than a second.

use std::future::Future;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::admin::PathCounts;
use crate::tailnet::{Error, Peer, Status};

/// How long an answer is told again, and how long nobody asks after a failure.
const LIFE: Duration = Duration::from_secs(10);

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// The counts as they were last told.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// Held while the node is asked, so that one question serves all who wait.
    known: Mutex<Option<Known>>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    asked: Instant,
    /// `None` until there is an answer.
    counts: Option<PathCounts>,
}

impl Paths {
    /// The counts, from `ask` when those that are kept are too old; `None` when the node does
    /// not tell.
    ///
    /// # Cancel safety
    /// Safe: a question that was given up counts as one that failed.
    pub(super) async fn now(
        &self,
        ask: impl Future<Output = Result<Status, Error>>,
    ) -> Option<PathCounts> {
        let answer = async {
            let mut known = self.known.lock().await;
            let now = Instant::now();
            if let Some(kept) = known.filter(|kept| now < kept.asked + LIFE) {
                return kept.counts;
            }
            // Noted first: without an answer the next one who looks does not wait again.
            let mut asked = Known {
                asked: now,
                counts: None,
            };
            *known = Some(asked);
            match ask.await {
                Ok(status) => asked.counts = Some(count(&status.peers)),
                Err(error) => tracing::debug!(%error, "the ways to the peers are not known"),
            }
            *known = Some(asked);
            asked.counts
        };
        timeout(PATIENCE, answer).await.ok().flatten()
    }
}

fn count(peers: &[Peer]) -> PathCounts {
    let mut counts = PathCounts::default();
    for peer in peers {
        *match (peer.active, peer.direct, &peer.peer_relay) {
            (false, ..) => &mut counts.idle,
            (true, Some(_), _) => &mut counts.direct,
            (true, None, Some(_)) => &mut counts.peer_relay,
            (true, None, None) => &mut counts.relay,
        } += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::future::{pending, ready};

    use tokio::time::advance;

    use super::*;
    use crate::tailnet::{NodeInfo, Own};

    fn peer(active: bool, direct: bool, relayed: bool) -> Peer {
        Peer {
            name: "laptop".to_owned(),
            dns_name: None,
            addresses: Vec::new(),
            online: true,
            user: None,
            last_seen: None,
            relay: Some("home".to_owned()),
            direct: direct.then(|| "192.0.2.1:41641".parse().unwrap()),
            peer_relay: relayed.then(|| "192.0.2.2:7:vni:1".to_owned()),
            active,
            tags: Vec::new(),
            expired: false,
            rx_bytes: 0,
            tx_bytes: 0,
        }
    }

    fn status(peers: Vec<Peer>) -> Result<Status, Error> {
        let node = NodeInfo {
            hostname: String::new(),
            dns_name: None,
            addresses: Vec::new(),
            key_expiry: None,
            expired: false,
            cert_domains: Vec::new(),
            services: BTreeMap::new(),
        };
        let own = Own {
            state: "Running".to_owned(),
            node,
            tailnet: None,
            user: None,
            tags: Vec::new(),
            relay: None,
        };
        Ok(Status { own, peers })
    }

    #[test]
    fn every_peer_counts_once_by_the_way_it_is_reached() {
        let counts = count(&[
            peer(true, true, false),
            peer(true, false, false),
            peer(true, false, true),
            // A way that was good for the last bytes is none in use.
            peer(false, true, false),
            peer(false, false, false),
        ]);
        let expected = PathCounts {
            direct: 1,
            relay: 1,
            peer_relay: 1,
            idle: 2,
        };
        assert_eq!(counts, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_kept_and_then_asked_for_again() {
        let paths = Paths::default();
        let first = paths
            .now(ready(status(vec![peer(true, true, false)])))
            .await;
        assert_eq!(first.unwrap().direct, 1);
        advance(LIFE - Duration::from_millis(1)).await;
        let kept = paths.now(ready(status(Vec::new()))).await;
        assert_eq!(kept, first);
        advance(Duration::from_millis(1)).await;
        let later = paths.now(ready(status(Vec::new()))).await;
        assert_eq!(later, Some(PathCounts::default()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_does_not_answer_is_waited_for_once() {
        let (paths, start) = (Paths::default(), Instant::now());
        assert_eq!(paths.now(pending()).await, None);
        assert_eq!(start.elapsed(), PATIENCE);
        assert_eq!(paths.now(ready(status(Vec::new()))).await, None);
        assert_eq!(start.elapsed(), PATIENCE, "nobody waits again so soon");
        advance(LIFE).await;
        assert!(paths.now(ready(status(Vec::new()))).await.is_some());
    }
}
