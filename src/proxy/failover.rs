//! Several targets for one forward: the first one that is well gets the connection.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, timeout};

use super::{
    endpoint::{Dial, DialError, DialErrorKind},
    health::Health,
    origin::Origin,
};

/// Targets in the order of preference. Its `Display` joins theirs by `|`.
///
/// A dial tries those that are well in order, then those that have failed lately:
/// these cost a connection time only when there is nothing better. A target that
/// has failed has its turn again after 1 s, doubled with every further failure up
/// to 30 s, and then with one connection, which finds out for the others. Each try
/// has an equal share of the time left, so that a silent target does not use up
/// the time of the next.
#[derive(Debug)]
pub struct Failover<D> {
    members: Vec<Member<D>>,
}

#[derive(Debug)]
struct Member<D> {
    target: D,
    health: Mutex<Health>,
}

impl<D: Dial> Failover<D> {
    /// The targets, best first.
    pub fn new(targets: impl IntoIterator<Item = D>) -> Self {
        let members = targets.into_iter().map(|target| Member {
            target,
            health: Mutex::default(),
        });
        Self {
            members: members.collect(),
        }
    }
}

impl<D: Dial> Dial for Failover<D> {
    type Stream = D::Stream;

    async fn dial(&self, origin: &Origin, budget: Duration) -> Result<D::Stream, DialError> {
        let start = Instant::now();
        let share_of = |tries| {
            let left = budget.saturating_sub(start.elapsed());
            left / u32::try_from(tries).unwrap_or(u32::MAX)
        };
        let mut failures = Failures::default();
        let mut passed_over = Vec::new();
        for (at, member) in self.members.iter().enumerate() {
            if !member.health().begin(Instant::now()) {
                passed_over.push(member);
                continue;
            }
            let later = self.members[at + 1..].iter();
            let open = later.filter(|member| member.health().is_open(start));
            let share = share_of(open.count() + 1);
            match member.dial(origin, share, true).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failures.add(member, error),
            }
        }
        for (at, member) in passed_over.iter().enumerate() {
            let share = share_of(passed_over.len() - at);
            match member.dial(origin, share, false).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failures.add(member, error),
            }
        }
        Err(failures.into_error())
    }
}

impl<D: Dial> fmt::Display for Failover<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, member) in self.members.iter().enumerate() {
            let bar = if at == 0 { "" } else { "|" };
            write!(f, "{bar}{}", member.target)?;
        }
        Ok(())
    }
}

impl<D: Dial> Member<D> {
    /// One try; whether a failure `counts` against the target, success always does
    /// for it.
    async fn dial(
        &self,
        origin: &Origin,
        share: Duration,
        counts: bool,
    ) -> Result<D::Stream, DialError> {
        let mut trying = Trying {
            health: &self.health,
            begun: Instant::now(),
            verdict: Verdict::Failed,
            counts,
        };
        let dialed = timeout(share, self.target.dial(origin, share))
            .await
            .unwrap_or_else(|_| {
                let detail = format!("no answer in {share:.1?}");
                Err(DialError::new(DialErrorKind::TimedOut, detail))
            });
        trying.verdict = match &dialed {
            Ok(_) => Verdict::Well,
            Err(error) if is_of_this_side(error.kind) => Verdict::Unknown,
            Err(_) => Verdict::Failed,
        };
        dialed
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        lock(&self.health)
    }
}

fn lock(health: &Mutex<Health>) -> MutexGuard<'_, Health> {
    health.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a failure says nothing about the target.
fn is_of_this_side(kind: DialErrorKind) -> bool {
    match kind {
        DialErrorKind::Canceled
        | DialErrorKind::NotRunning
        | DialErrorKind::Closed
        | DialErrorKind::NoRoom
        | DialErrorKind::Internal => true,
        DialErrorKind::Refused
        | DialErrorKind::Reset
        | DialErrorKind::Unreachable
        | DialErrorKind::TimedOut
        | DialErrorKind::BadAddress
        | DialErrorKind::UnknownName
        | DialErrorKind::NotInTailnet => false,
    }
}

/// A try under way. Given up it has failed: the end of the budget gives it up.
struct Trying<'a> {
    health: &'a Mutex<Health>,
    begun: Instant,
    verdict: Verdict,
    counts: bool,
}

enum Verdict {
    Well,
    Failed,
    Unknown,
}

impl Drop for Trying<'_> {
    fn drop(&mut self) {
        match self.verdict {
            Verdict::Well => lock(self.health).succeeded(),
            Verdict::Failed if self.counts => {
                lock(self.health).failed(self.begun, Instant::now());
            }
            Verdict::Failed | Verdict::Unknown => {}
        }
    }
}

/// What went wrong with each target.
#[derive(Default)]
struct Failures(Vec<(String, DialError)>);

impl Failures {
    fn add<D: Dial>(&mut self, member: &Member<D>, error: DialError) {
        tracing::debug!(target = %member.target, %error, "trying the next target");
        self.0.push((member.target.to_string(), error));
    }

    /// All in one: of the last kind that a later try may cure, if there is one.
    fn into_error(mut self) -> DialError {
        let Some((_, last)) = self.0.last() else {
            return DialError::new(DialErrorKind::Internal, "there is no target");
        };
        let mut kinds = self.0.iter().rev().map(|(_, error)| error.kind);
        let kind = kinds.find(|kind| kind.retry()).unwrap_or(last.kind);
        if self.0.len() == 1 {
            return self.0.remove(0).1;
        }
        let texts = self.0.iter();
        let texts: Vec<_> = texts
            .map(|(target, error)| format!("{target}: {error}"))
            .collect();
        DialError::new(kind, texts.join("; "))
    }
}
