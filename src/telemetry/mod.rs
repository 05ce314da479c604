//! What the program tells about itself: log lines on stderr and counters.

pub mod logging;
pub mod metrics;
