//! Which way bytes go, and the figures of each.

use super::figures;
use super::samples::Figure;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From who connects to who serves.
    ToTarget,
    /// The other way round.
    ToClient,
}

impl Way {
    /// Both, in the order in which they are measured.
    pub(crate) const BOTH: [Self; 2] = [Self::ToTarget, Self::ToClient];

    /// How many bytes arrive.
    pub(crate) fn rate(self) -> &'static Figure {
        match self {
            Self::ToTarget => &figures::TO_TARGET,
            Self::ToClient => &figures::TO_CLIENT,
        }
    }

    /// What a GiB costs.
    pub(crate) fn cpu(self) -> &'static Figure {
        match self {
            Self::ToTarget => &figures::TO_TARGET_CPU,
            Self::ToClient => &figures::TO_CLIENT_CPU,
        }
    }
}
