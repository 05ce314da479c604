//! What a stream is given that carries its peer by itself, instead of being led to
//! a target.

use super::{Settings, origin::Origin, slots::Slots};
use crate::{shutdown::Shutdown, telemetry::metrics::Metrics};

/// Whose the connection is, and by which bounds it is carried; see
/// [`Stream::carry`](super::endpoint::Stream::carry).
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// Where it comes from.
    pub origin: &'a Origin,
    /// Its forward's times.
    pub settings: Settings,
    /// For what it holds besides its own slot.
    pub slots: &'a Slots,
    /// Where it counts; that it has begun and ended is counted already.
    pub metrics: &'a Metrics,
    /// When it has to come to an end.
    pub shutdown: &'a Shutdown,
}
