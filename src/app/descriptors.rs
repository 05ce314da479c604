//! The connection cap against the process's descriptor limit.

use std::num::NonZeroU32;

use rustix::process::{Resource, getrlimit};

use super::failure::Failure;
use crate::admin::CLIENTS;
use crate::exit::Exit;

/// Descriptors of one connection: its kernel socket and, unless its bytes just flow, both
/// ends of the socket pair that joins the two halves. Any may come to need them.
const PER_CONNECTION: u64 = 3;

/// Descriptors besides connections, with room to spare: a running node holds
/// about 40, every dial under way two more for its mailbox, and the clients of the
/// control socket and the admin endpoint one each.
const BESIDES: u64 = 128 + 2 * CLIENTS as u64;

/// Refuses a cap that the limit cannot hold. The soft limit does not count: the
/// Go half raises it to the hard one.
pub(super) fn check(cap: NonZeroU32) -> Result<(), Failure> {
    let Some(limit) = getrlimit(Resource::Nofile).maximum else {
        return Ok(());
    };
    let needed = u64::from(cap.get()) * PER_CONNECTION + BESIDES;
    if needed <= limit {
        return Ok(());
    }
    let possible = limit.saturating_sub(BESIDES) / PER_CONNECTION;
    Err(Failure::new(
        Exit::Usage,
        "usage",
        format!(
            "TS_MAX_CONNECTIONS={cap} needs {needed} file descriptors and the process may have {limit}: \
             lower it to {possible} or raise the limit (ulimit -Hn, or LimitNOFILE= of the service)"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cap_beyond_every_limit_is_refused_with_what_fits() {
        let failure = check(NonZeroU32::MAX).unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage);
        assert!(failure.to_string().contains("lower it to"), "{failure}");
        assert!(check(NonZeroU32::MIN).is_ok());
    }
}
