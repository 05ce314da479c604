//! How late the timers of this process may be: what the Go half costs between packets.
//!
//! As long as anything happens there, a thread of Go's runtime looks after the others,
//! sleeping for 20 µs at a time, and a thread without work looks for some in such sleeps
//! too. With the system's own slack of 50 µs these wakings are a tenth of what small
//! exchanges and short connections cost. No time that this process keeps needs to be that
//! exact: the shortest are milliseconds.

use std::num::NonZeroU64;

use rustix::thread::{sched_getaffinity, set_current_timer_slack};

/// How late, in nanoseconds. On two processors, beside tsnet-proxy's, a connection for one
/// request took 1.08 to 1.10 of the CPU with 50 µs, 1.03 to 1.09 with 250, 0.98 to 1.05 with
/// 500, and 0.94 to 1.04 with 1,000, with which one answer in a thousand came a tenth later.
const SLACK: NonZeroU64 = NonZeroU64::new(500_000).unwrap();

/// Where there are more processors that it may run on, whatever its share of their time, the
/// system's slack stays. There a thread that sleeps when it might take over another's work
/// costs more, and how much has not been measured.
const FEW: u32 = 4;

/// Runs before the constructors that have no number, of which Go's runtime is one: a thread
/// has the slack of the thread that made it.
#[used]
#[unsafe(link_section = ".init_array.01000")]
static BEFORE_GO: extern "C" fn() = be_less_exact;

extern "C" fn be_less_exact() {
    let processors = sched_getaffinity(None).map(|processors| processors.count());
    if let Some(slack) = processors.ok().and_then(slack_with) {
        // Refused, it is as it was.
        let _ = set_current_timer_slack(Some(slack));
    }
}

fn slack_with(processors: u32) -> Option<NonZeroU64> {
    (processors <= FEW).then_some(SLACK)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// The slack of the threads of this process, of which only root may ask for all.
    fn slack_of_threads() -> Vec<u64> {
        let threads = fs::read_dir("/proc/self/task").unwrap();
        let slack = threads.filter_map(|thread| {
            let thread = thread.unwrap().file_name().into_string().unwrap();
            // One that has ended meanwhile has none.
            let text = fs::read_to_string(format!("/proc/{thread}/timerslack_ns")).ok()?;
            Some(text.trim().parse().unwrap())
        });
        slack.collect()
    }

    #[test]
    fn every_thread_that_may_be_asked_has_it_for_root_those_of_go_too() {
        super::super::count().unwrap(); // Go's runtime has begun
        let slack = slack_of_threads();
        assert!(!slack.is_empty());
        let processors = sched_getaffinity(None).unwrap().count();
        let ours = |slack: &u64| *slack == SLACK.get();
        assert_eq!(slack.iter().all(ours), slack_with(processors).is_some());
    }

    #[test]
    fn with_more_processors_it_stays() {
        assert_eq!(slack_with(FEW), Some(SLACK));
        assert_eq!(slack_with(FEW + 1), None);
    }
}
