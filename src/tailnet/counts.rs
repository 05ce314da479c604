//! How much of everything there is in the Go half.

/// What is alive in the Go half. All but `goroutines`, `threads`, `memory`
/// and what was dropped are zero when everything has been closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Nodes started and not closed.
    pub nodes: u64,
    /// Mailboxes whose two ends are not both closed.
    pub mailboxes: u64,
    /// Connections and flows announced or claimed and not finished.
    pub connections: u64,
    /// Connections kept only until the peer has acknowledged.
    pub lingering: u64,
    /// Goroutines of any kind.
    pub goroutines: u64,
    /// Threads that Go has created; they are reused and rarely end.
    pub threads: u64,
    /// Log lines dropped since start because nobody read them in time.
    pub dropped_log_lines: u64,
    /// Datagrams dropped since start: nobody took them in time, they were too large
    /// for UDP, or there was no way.
    pub dropped_datagrams: u64,
    /// Memory that Go's runtime holds of the system, in bytes.
    pub memory: u64,
}
