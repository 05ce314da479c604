//! One direction of a relayed connection: copying → shutting down → done, with
//! the ways out of it that [`super::relay`] lists.
//!
//! Nothing here decides how the connection as a whole ends.

use std::{
    convert::Infallible,
    io,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use tokio::time::{MissedTickBehavior, interval, sleep};

use super::{
    alarm::Alarm,
    course::{Course, Progress, Stall},
    endpoint::{End, Stream},
    pipe::{self, Pipe},
    side::Side,
    summary::{DirectionEnd, Flow, Party},
};

/// How often a wait for progress looks, at most. Nothing reports an acknowledgement,
/// so it has to be looked for.
const LOOK: Duration = Duration::from_millis(200);
/// The first looks are closer together: on a near network all is acknowledged at once.
const FIRST_LOOK: Duration = Duration::from_millis(2);
/// How often a side that nobody reads, because its end of stream was read or the
/// other side takes nothing, is asked whether it broke.
const WATCH: Duration = Duration::from_secs(1);

/// What is dropped between two looks, at most: what a gigabit network brings in that time.
/// A source that writes for ever, as a download does, would otherwise keep a processor busy.
const DROPPED: usize = 24 * 1024 * 1024;

/// A read of so many bytes is bulk: more was there than a request or a screen's change.
const BULK: usize = 32 * 1024;
/// Bulk that pauses for longer is over.
const PAUSE: Duration = Duration::from_millis(20);

/// One direction: bytes from `from` to `to`.
pub(super) struct Direction<'a, F: Stream, T: Stream> {
    from: &'a Side<F>,
    to: &'a Side<T>,
    source: Party,
    course: &'a Course,
    total: &'a AtomicU64,
    discarded: AtomicU64,
}

impl<'a, F: Stream, T: Stream> Direction<'a, F, T> {
    pub(super) fn new(
        from: &'a Side<F>,
        to: &'a Side<T>,
        source: Party,
        course: &'a Course,
        total: &'a AtomicU64,
    ) -> Self {
        Self {
            from,
            to,
            source,
            course,
            total,
            discarded: AtomicU64::new(0),
        }
    }

    /// Runs the direction to its end, which may be graver than the one noted: a
    /// source that breaks while its bytes are discarded ends the connection.
    pub(super) async fn run(&self) -> DirectionEnd {
        if let Some(ended) = self.course.end(self.source) {
            return ended; // in a junction
        }
        // Two: one that is set to an earlier time costs as much as a new one.
        let (mut pipe, mut pause, mut watch) = (None, Alarm::default(), Alarm::default());
        loop {
            let load = tokio::select! {
                biased;
                () = self.to.gone.cancelled() => return self.give_up(DirectionEnd::Cut).await,
                load = self.next(&mut pipe, &mut pause) => load,
            };
            match load {
                Ok(load) => match self.carry(load, &mut watch).await {
                    Ok(()) => {
                        #[cfg(debug_assertions)]
                        super::failpoint::carried(self.to.taken());
                    }
                    Err(Undelivered::Lost(end)) => return self.ended(end.into()),
                    Err(Undelivered::Failed) => {
                        return self.give_up(DirectionEnd::WriteFailed).await;
                    }
                    Err(Undelivered::Gone) => return self.give_up(DirectionEnd::Cut).await,
                },
                Err(End::Clean) => {
                    return match self.to.shutdown().await {
                        Ok(()) => self.ended(DirectionEnd::Clean),
                        Err(_) => self.ended(DirectionEnd::WriteFailed),
                    };
                }
                Err(broken) => {
                    let end = self.ended(broken.into());
                    self.settle().await;
                    return end;
                }
            }
        }
    }

    /// What became of it, or `unfinished` when nothing has yet.
    pub(super) fn flow(&self, unfinished: DirectionEnd) -> Flow {
        Flow {
            bytes: self.to.taken(),
            discarded: self.discarded.load(Relaxed),
            end: self.course.end(self.source).unwrap_or(unfinished),
        }
    }

    /// Watches a source whose end of stream was read: should it break later, what
    /// the other direction brings cannot reach it. Never returns.
    pub(super) async fn watch(&self) -> Infallible {
        loop {
            sleep(WATCH).await;
            if self.from.broken().is_some() {
                self.from.gone.cancel();
            }
        }
    }

    /// What comes next from the source: through a pipe while bulk flows, else in memory,
    /// where a small exchange has fewer calls to wait for.
    async fn next<'p>(
        &self,
        pipe: &'p mut Option<Pipe>,
        pause: &mut Alarm,
    ) -> Result<Load<'p>, End> {
        if let Some(mut held) = pipe.take() {
            let filled = tokio::select! {
                biased;
                filled = self.from.fill(&mut held) => filled,
                () = pause.rings(PAUSE) => Ok(false),
            };
            if filled? {
                return Ok(Load::Piped(pipe.insert(held)));
            }
        }
        let bytes = self.from.read().await?;
        if bytes.len() >= BULK && self.from.pipes() && self.to.pipes() {
            *pipe = Pipe::take();
        }
        Ok(Load::Read(bytes, 0))
    }

    /// Writes some of a load and says how many bytes, at least one. Cancel safe.
    async fn deliver(&self, load: &mut Load<'_>) -> io::Result<usize> {
        match load {
            Load::Read(bytes, done) => {
                let written = self.to.write(&bytes[*done..]).await?;
                *done += written;
                Ok(written)
            }
            Load::Piped(pipe) => match self.to.drain(pipe).await {
                Err(error) if pipe::is_refused(&error) => {
                    *load = Load::Read(pipe.take_out()?, 0);
                    Box::pin(self.deliver(load)).await
                }
                drained => drained,
            },
        }
    }

    /// Writes a whole load, as slowly as the destination takes it.
    async fn carry(&self, mut load: Load<'_>, watch: &mut Alarm) -> Result<(), Undelivered> {
        self.course.touch();
        // While the destination takes nothing, nobody reads the source: a break of
        // it has to be asked for, or a connection without an idle time stays for ever.
        let mut lost: Option<(End, Stall)> = None;
        while load.left() > 0 {
            tokio::select! {
                biased;
                () = self.to.gone.cancelled() => return Err(Undelivered::Gone),
                written = self.deliver(&mut load) => match written {
                    Ok(written) => {
                        self.total.fetch_add(written as u64, Relaxed);
                        self.course.touch();
                    }
                    Err(_) => return Err(Undelivered::Failed),
                },
                () = watch.rings(if lost.is_some() { LOOK } else { WATCH }) => {
                    let progress = self.progress_of_destination();
                    if let Some((end, stall)) = &mut lost {
                        if stall.over(progress) {
                            self.from.gone.cancel();
                            return Err(Undelivered::Lost(*end));
                        }
                    } else {
                        lost = self.from.broken().map(|end| (end, self.stall(progress)));
                    }
                }
            }
        }
        Ok(())
    }

    /// Reads on and drops what comes, at the pace of [`DROPPED`], so that the source is
    /// not stuck and its connection need not be reset while the other direction still
    /// delivers to it. Pauses while that delivery makes no progress; ends with the
    /// source's end, or when the delivery is over and has nothing more under way.
    async fn give_up(&self, end: DirectionEnd) -> DirectionEnd {
        let end = self.ended(end);
        let mut stall = self.stall(self.progress_of_source());
        let (mut stalled, mut allowance) = (false, DROPPED);
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                chunk = self.from.read(), if !stalled && allowance > 0 => match chunk {
                    Ok(chunk) => {
                        allowance = allowance.saturating_sub(chunk.len());
                        self.course.touch();
                        self.discarded.fetch_add(chunk.len() as u64, Relaxed);
                    }
                    Err(End::Clean) => return end,
                    // Neither side takes anything now: nothing is left to wait for.
                    Err(broken) => return broken.into(),
                },
                _ = look.tick() => {
                    allowance = DROPPED;
                    stalled = stall.over(self.progress_of_source());
                    if stalled && self.other_ended() {
                        return end;
                    }
                }
            }
        }
    }

    /// Waits until the destination's TCP has everything: a reset that overtakes
    /// bytes destroys them.
    async fn settle(&self) {
        let mut stall = self.stall(self.progress_of_destination());
        let mut pause = FIRST_LOOK;
        while self.to.unacknowledged() > 0 && !stall.over(self.progress_of_destination()) {
            tokio::select! {
                () = self.to.gone.cancelled() => return,
                () = sleep(pause) => pause = (pause * 2).min(LOOK),
            }
        }
    }

    fn ended(&self, end: DirectionEnd) -> DirectionEnd {
        self.course.ended(self.source, end)
    }

    fn other_ended(&self) -> bool {
        self.course.end(self.source.other()).is_some()
    }

    fn stall(&self, seen: Progress) -> Stall {
        Stall::new(self.course.limits().delivery, seen)
    }

    /// How far this direction's delivery is.
    fn progress_of_destination(&self) -> Progress {
        (self.to.taken(), self.to.unacknowledged(), false)
    }

    /// How far the other direction's delivery is.
    fn progress_of_source(&self) -> Progress {
        (
            self.from.taken(),
            self.from.unacknowledged(),
            self.other_ended(),
        )
    }
}

/// Bytes of the source on their way.
enum Load<'p> {
    /// In memory, and how many of them are delivered.
    Read(Vec<u8>, usize),
    Piped(&'p mut Pipe),
}

impl Load<'_> {
    /// Bytes that are not delivered yet.
    fn left(&self) -> usize {
        match self {
            Self::Read(bytes, done) => bytes.len() - done,
            Self::Piped(pipe) => pipe.held(),
        }
    }
}

/// Why a load was not written in full.
enum Undelivered {
    /// The destination refused it.
    Failed,
    /// The destination is known to be gone.
    Gone,
    /// The source broke and the destination has taken nothing for too long.
    Lost(End),
}
