//! A fault on purpose, for tests of the built program: nothing that comes from
//! outside makes a connection's task panic. A release build has none of this.

use std::sync::LazyLock;

/// Names how many bytes one direction of a connection carries before its task
/// panics.
const VARIABLE: &str = "TAILPORT_FAILPOINT_PANIC_AFTER";

static PANIC_AFTER: LazyLock<Option<u64>> =
    LazyLock::new(|| std::env::var(VARIABLE).ok()?.parse().ok());

/// Whether a panic was asked for.
pub(super) fn is_set() -> bool {
    PANIC_AFTER.is_some()
}

/// Panics when a direction has carried just as many bytes as were asked for.
pub(super) fn carried(bytes: u64) {
    assert!(
        *PANIC_AFTER != Some(bytes),
        "{VARIABLE}: {bytes} bytes were carried"
    );
}
