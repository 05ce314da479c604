//! The times that a relay works by.

use std::time::Duration;

/// How long a delivery may go without progress when one end of the connection is
/// gone already: long enough for a reader that pauses, short enough for a slot.
pub const DELIVERY: Duration = Duration::from_secs(10);

/// The times a relay works by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A connection on which nothing moves for so long is reset; 0 is off.
    pub idle: Duration,
    /// The time without progress after which a delivery is given up.
    pub delivery: Duration,
}

impl Limits {
    /// The given idle time, and [`DELIVERY`].
    pub fn new(idle: Duration) -> Self {
        Self {
            idle,
            delivery: DELIVERY,
        }
    }
}
