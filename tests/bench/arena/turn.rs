//! A contestant's turn at a load.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use crate::figures;
use crate::load::Work;
use crate::part::Load;
use crate::record::Record;
use crate::support::peer::Peer;
use crate::support::process;
use crate::way::Way;

/// What streams do before they are measured.
const WARM_UP: Duration = Duration::from_millis(700);

/// Until held connections count as at rest.
const SETTLE: Duration = Duration::from_secs(2);

/// How long connections may take to arrive at the server, or to be gone.
const PATIENCE: Duration = Duration::from_secs(60);

/// When nothing has changed for so long, nothing will: after a load, and with thousands
/// of connections.
const STILL: Duration = Duration::from_secs(1);
const STILL_HELD: Duration = Duration::from_secs(5);

/// Between two looks at something that nobody announces.
const LOOK: Duration = Duration::from_millis(50);

/// How long the side that ends a connection first keeps its ports.
const KEPT: Duration = Duration::from_secs(60);

/// Descriptors that may come and stay without a connection.
const SLACK: usize = 16;

/// Who is measured now, and how.
pub(super) struct Turn<'a> {
    /// Makes the load.
    pub(super) client: &'a Peer,
    /// Whose use of the machine counts; none for nobody.
    pub(super) pid: Option<u32>,
    /// Where clients connect.
    pub(super) to: SocketAddr,
    /// Where they arrive.
    pub(super) server: &'a RefCell<Work>,
    /// How long the load lasts.
    pub(super) seconds: f64,
    pub(super) record: Record<'a>,
}

impl Turn<'_> {
    /// Measures one load.
    ///
    /// # Errors
    /// What went wrong; what was measured before is kept.
    pub(super) fn run(&mut self, load: Load) -> Result<(), String> {
        match load {
            Load::Bulk => self.bulk(),
            Load::Exchange => self.exchange(),
            Load::Requests => self.requests(),
        }
    }

    fn bulk(&mut self) -> Result<(), String> {
        for way in Way::BOTH {
            self.bulk_one_way(way)?;
            self.clear()?;
        }
        Ok(())
    }

    fn bulk_one_way(&mut self, way: Way) -> Result<(), String> {
        if let Some(pid) = self.pid {
            process::forget_peak(pid).map_err(text)?;
        }
        let mut streams = Work::bulk(self.client, self.to, self.record.load(), way)?;
        thread::sleep(WARM_UP);
        let mut server = self.server.borrow_mut();
        let receiver = match way {
            Way::ToTarget => &mut *server,
            Way::ToClient => &mut streams,
        };
        let (before, used_before) = (receiver.count()?.received, self.used()?);
        let begun = Instant::now();
        thread::sleep(Duration::from_secs_f64(self.seconds));
        let (after, used) = (receiver.count()?.received, self.used()? - used_before);
        let seconds = begun.elapsed().as_secs_f64();
        let bytes = (after - before) as f64;
        if bytes == 0.0 {
            return Err("no byte arrived".to_owned());
        }
        self.record.add(way.rate(), bytes / seconds);
        if let Some(pid) = self.pid {
            let per_gib = used / bytes * f64::from(1 << 30);
            self.record.add(way.cpu(), per_gib);
            // Of both ways: the greater one is what a user has to have.
            let peak = process::peak_resident(pid).map_err(text)? as f64;
            self.record.add_greatest(&figures::PEAK_MEMORY, peak);
        }
        Ok(())
    }

    fn exchange(&mut self) -> Result<(), String> {
        let found = Work::exchange(self.client, self.to, self.record.load(), self.seconds)?;
        self.record.add(&figures::LATENCY_P50, found.p50);
        self.record.add(&figures::LATENCY_P99, found.p99);
        self.record.add(&figures::LATENCY_P999, found.p999);
        Ok(())
    }

    fn requests(&mut self) -> Result<(), String> {
        let before = self.used()?;
        let found = Work::requests(self.client, self.to, self.record.load(), self.seconds)?;
        let used = self.used()? - before;
        self.record
            .add(&figures::CONNECTS, found.done / found.seconds);
        self.record.add(&figures::CONNECTS_FAILED, found.failed);
        if self.pid.is_some() && found.done > 0.0 {
            let per_thousand = used / found.done * 1000.0;
            self.record.add(&figures::CONNECTS_CPU, per_thousand);
        }
        match found.first_failure {
            Some(first) => Err(format!("{} failed, the first: {first}", found.failed)),
            None => Ok(()),
        }
    }

    /// Measures connections that stay and do nothing. Ends when the descriptors are back, for those whose turn is next, and the ports of
    /// connections that the server had to end.
    pub(super) fn hold(&mut self) -> Result<(), String> {
        let Some(pid) = self.pid else {
            return Ok(());
        };
        let quiet = process::descriptors(pid).map_err(text)?;
        let held = self.hold_at_rest(pid);
        let ended = self.end_rest()?;
        let look = || process::descriptors(pid).map_err(text);
        let left = last(STILL_HELD, look, |open| *open <= quiet + SLACK)?.saturating_sub(quiet);
        if ended > SLACK {
            thread::sleep(KEPT);
        }
        held?;
        if left > SLACK {
            return Err(format!("{left} descriptors are not given back"));
        }
        Ok(())
    }

    fn hold_at_rest(&mut self, pid: u32) -> Result<(), String> {
        let load = self.record.load();
        let (_held, opened) = Work::hold(self.client, self.to, load)?;
        if opened.handshakes < load {
            let first = opened.first_failure.unwrap_or_default();
            return Err(format!("{} were opened, then: {first}", opened.handshakes));
        }
        let mut server = self.server.borrow_mut();
        let look = || Ok(server.count()?.open);
        let arrived = last(STILL_HELD, look, |open| *open >= load)?;
        if arrived < load {
            return Err(format!("{arrived} arrived at the server"));
        }
        drop(server);
        thread::sleep(SETTLE);
        let threads = process::threads(pid).map_err(text)?;
        let resident = process::resident(pid).map_err(text)?;
        self.record.add(&figures::HELD_THREADS, threads as f64);
        self.record.add(&figures::HELD_MEMORY, resident as f64);
        Ok(())
    }

    /// Waits until connections are gone that the client has closed, and ends at the server
    /// those that stay: a contestant that passes on no end of the client's keeps them. Not
    /// at once: whichever side ends first keeps the ports for a minute, and only a client
    /// picks its ports by which are free.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub(super) fn clear(&mut self) -> Result<(), String> {
        self.end_rest().map(drop)
    }

    /// How many the server had to end.
    fn end_rest(&mut self) -> Result<usize, String> {
        let mut server = self.server.borrow_mut();
        let rest = last(STILL, || server.count(), |count| count.open == 0)?;
        server.end_all()?;
        Ok(rest.open as usize)
    }

    /// Processor time so far; zero for nobody.
    fn used(&self) -> Result<f64, String> {
        self.pid
            .map_or(Ok(0.0), |pid| process::processor(pid).map_err(text))
    }
}

/// Looks until something is reached or does not change any more; returns the last look.
fn last<T: PartialEq>(
    still: Duration,
    mut look: impl FnMut() -> Result<T, String>,
    reached: impl Fn(&T) -> bool,
) -> Result<T, String> {
    let (begun, mut changed) = (Instant::now(), Instant::now());
    let mut found = look()?;
    while !reached(&found) && changed.elapsed() < still && begun.elapsed() < PATIENCE {
        thread::sleep(LOOK);
        let now = look()?;
        if now != found {
            (found, changed) = (now, Instant::now());
        }
    }
    Ok(found)
}

fn text(error: io::Error) -> String {
    error.to_string()
}
