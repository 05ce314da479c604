//! What tests of limits share: a tailnet, and the machine, one test at a time.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::process;
use crate::support::tailnet::Tailnet;

/// The tailnet of all tests.
pub(crate) fn tailnet() -> &'static Tailnet {
    static TAILNET: OnceLock<Tailnet> = OnceLock::new();
    TAILNET.get_or_init(Tailnet::start)
}

/// The machine for one test alone, with as many descriptors as a process may have.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::new(());
    let machine = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    process::raise_descriptor_limit();
    machine
}
