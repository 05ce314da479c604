//! The process's own signals, caught so that Go can stand it.

use std::io;

use tokio::signal::unix::{Signal, SignalKind};

use crate::shutdown::{Signals, StopSignal};
use crate::tailnet;

/// Takes over a signal from now on; it may arrive on a thread that runs Go. Needs a
/// running tokio runtime.
///
/// # Errors
/// When the handler cannot be set.
#[expect(clippy::disallowed_methods, reason = "this is where it is mended")]
pub(super) fn caught(kind: SignalKind) -> io::Result<Signal> {
    let signal = tokio::signal::unix::signal(kind)?;
    tailnet::use_alternate_stack(kind.as_raw_value())?;
    Ok(signal)
}

/// The signals to stop: SIGTERM and SIGINT.
#[derive(Debug)]
pub(super) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Takes over SIGTERM and SIGINT, as [`caught`] does.
    ///
    /// # Errors
    /// When the handlers cannot be set.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: caught(SignalKind::terminate())?,
            interrupt: caught(SignalKind::interrupt())?,
        })
    }
}

impl Signals for StopSignals {
    async fn next(&mut self) -> Option<StopSignal> {
        tokio::select! {
            got = self.terminate.recv() => got.map(|()| StopSignal::Terminate),
            got = self.interrupt.recv() => got.map(|()| StopSignal::Interrupt),
        }
    }
}
