//! What tests of limits share: a tailnet, and the machine, one test at a time.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) use crate::support::shared::tailnet;

use crate::support::process;

/// The machine for one test alone, with as many descriptors as a process may have.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::new(());
    let machine = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    process::raise_descriptor_limit();
    machine
}
