//! What the program tells about itself: log lines on stderr, counters, and what the
//! system knows of its process.

mod gathered;
pub mod histogram;
pub mod logging;
pub mod metrics;
pub mod process;
pub mod recent;
pub mod registry;
pub mod snapshot;
mod unblocked;
