//! How many connections a process has descriptors for.

use super::support::process::descriptor_limit;

/// The most connections that are held anywhere here.
pub(crate) const WANTED: u32 = 10_000;

/// Descriptors of a tailport connection: its socket and both ends of the socket pair.
const PER_CONNECTION: usize = 3;

/// What a tailport wants besides; it refuses to start with fewer.
const BESIDES: usize = 192;

/// Besides those that are held, for what the load before may leave for a moment.
const SPARE: u32 = 2;

/// The cap for a tailport: all that are held, or as many as the limit allows.
pub(crate) fn cap() -> u32 {
    let fit = descriptor_limit().saturating_sub(BESIDES) / PER_CONNECTION;
    u32::try_from(fit).map_or(WANTED + SPARE, |fit| fit.min(WANTED + SPARE))
}

/// The most that are held: [`WANTED`], or what fits, to the hundred.
pub(crate) fn held() -> u32 {
    cap().saturating_sub(SPARE) / 100 * 100
}
