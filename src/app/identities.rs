//! Who comes from which address: the tailnet's answers, kept for a while.
//!
//! An answer is kept until the node's peers change, a minute at most, because a
//! change of the tailnet's rules alone is not announced. The number kept is bounded.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::tailnet::{Questions, WhoIs};

/// How long an answer is taken for true.
const LIFE: Duration = Duration::from_secs(60);

/// How many answers are kept; beyond it all are forgotten and asked again.
const MOST: usize = 4096;

/// How many questions are under way at one time, each with two descriptors. Whoever
/// waits for its turn finds the answer there, mostly: a burst comes from few peers.
const ASKING: usize = 4;

/// How long an answer is waited for. It comes from this process's memory.
const PATIENCE: Duration = Duration::from_secs(2);

/// The identities of a node's peers; clones share what they know.
#[derive(Clone, Debug)]
pub(super) struct Identities {
    questions: Questions,
    known: Arc<Mutex<Known>>,
    asking: Arc<Semaphore>,
}

impl Identities {
    pub(super) fn new(questions: Questions) -> Self {
        Self {
            questions,
            known: Arc::default(),
            asking: Arc::new(Semaphore::new(ASKING)),
        }
    }

    /// Forgets every answer.
    pub(super) fn forget(&self) {
        self.lock().forget();
    }

    /// Who has an address; an error says why that cannot be known now.
    ///
    /// # Cancel safety
    /// Safe: nothing is remembered of a question without its answer.
    pub(super) async fn of(&self, address: IpAddr) -> Result<Arc<WhoIs>, String> {
        if let Some(who) = self.lock().get(address, Instant::now()) {
            return Ok(who);
        }
        // Nobody closes it.
        let _turn = self
            .asking
            .acquire()
            .await
            .map_err(|closed| closed.to_string())?;
        let asked_in = {
            let known = self.lock();
            if let Some(who) = known.get(address, Instant::now()) {
                return Ok(who);
            }
            known.age
        };
        let who = match timeout(PATIENCE, self.questions.who_is(address)).await {
            Ok(Ok(who)) => Arc::new(who),
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => return Err(format!("nobody said who {address} is within {PATIENCE:?}")),
        };
        self.lock()
            .put(address, &who, asked_in, Instant::now() + LIFE);
        Ok(who)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers with the time at which each becomes too old.
#[derive(Debug, Default)]
struct Known {
    /// Counts how often all was forgotten: an answer to a question from before may
    /// be out of date.
    age: u64,
    answers: HashMap<IpAddr, (Arc<WhoIs>, Instant)>,
}

impl Known {
    fn get(&self, address: IpAddr, now: Instant) -> Option<Arc<WhoIs>> {
        let (who, until) = self.answers.get(&address)?;
        (now < *until).then(|| Arc::clone(who))
    }

    fn put(&mut self, address: IpAddr, who: &Arc<WhoIs>, asked_in: u64, until: Instant) {
        if asked_in != self.age {
            return;
        }
        if self.answers.len() >= MOST {
            self.answers.clear();
        }
        self.answers.insert(address, (Arc::clone(who), until));
    }

    fn forget(&mut self) {
        self.age += 1;
        self.answers.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn who() -> Arc<WhoIs> {
        Arc::new(WhoIs {
            name: "laptop".to_owned(),
            dns_name: "laptop.example.ts.net".to_owned(),
            login: Some("alice@example.com".to_owned()),
            display_name: None,
            tags: Vec::new(),
            addresses: Vec::new(),
            capabilities: Default::default(),
        })
    }

    fn address(number: u32) -> IpAddr {
        Ipv4Addr::from(0x6440_0000 + number).into()
    }

    #[test]
    fn an_answer_is_kept_until_its_time_is_over() {
        let (mut known, now) = (Known::default(), Instant::now());
        known.put(address(1), &who(), 0, now + LIFE);
        assert!(known.get(address(1), now).is_some());
        assert!(known.get(address(2), now).is_none());
        assert!(known.get(address(1), now + LIFE).is_none());
    }

    #[test]
    fn an_answer_from_before_a_change_is_not_kept() {
        let (mut known, now) = (Known::default(), Instant::now());
        let asked_in = known.age;
        known.forget();
        known.put(address(1), &who(), asked_in, now + LIFE);
        assert!(known.get(address(1), now).is_none());
    }

    #[test]
    fn the_number_of_answers_is_bounded() {
        let (mut known, now) = (Known::default(), Instant::now());
        for number in 0..3 * MOST as u32 {
            known.put(address(number), &who(), 0, now + LIFE);
            assert!(known.answers.len() <= MOST);
        }
        assert!(known.get(address(3 * MOST as u32 - 1), now).is_some());
    }
}
