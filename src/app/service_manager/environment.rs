//! The variables by which a service manager says what it gives.

use std::ffi::{OsStr, OsString};

/// The variables of the protocol. They are this process's alone: no child may take itself for
/// the service.
pub(in crate::app) const VARIABLES: [&str; 6] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
];

/// The process's environment as it was at the start.
pub(super) type Environment = [(OsString, OsString)];

/// A variable's value; an empty one is none.
pub(super) fn value<'a>(environment: &'a Environment, name: &str) -> Option<&'a OsStr> {
    let (_, value) = environment.iter().find(|(key, _)| key == name)?;
    (!value.is_empty()).then_some(value)
}

/// The same as a number; another text is none.
pub(super) fn number(environment: &Environment, name: &str) -> Option<u64> {
    value(environment, name)?.to_str()?.parse().ok()
}
