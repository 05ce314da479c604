//! The orderly end: drain what runs, flush what is written, close the node.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::proxy::slots::Slots;
use crate::shutdown::Shutdown;
use crate::tailnet::{Closed, Node};
use crate::telemetry::metrics::{Ended, Snapshot};
use crate::telemetry::registry::Registry;

/// What aborted connections get to reset both their sides.
pub(super) const LAST_MOMENT: Duration = Duration::from_millis(200);

/// The close of a node whose start has failed: the start's own bound may be
/// overrun by 2 s in all.
pub(super) const CLOSE_AFTER_FAILED_START: Duration = Duration::from_millis(1500);

/// The Go half's own bounds of a close (2 s, 7 s with a logout), and what a loaded
/// machine may add.
pub(super) fn close_bound(config: &Config) -> Duration {
    Duration::from_millis(if config.node.ephemeral { 7500 } else { 2500 })
}

/// The longest that [`stop`] may take.
pub(super) fn bound(config: &Config) -> Duration {
    config.timeouts.drain + LAST_MOMENT + close_bound(config)
}

/// Ends everything: connections have TS_DRAIN_TIMEOUT to finish, what they wrote
/// has the rest of it to arrive. The drain has been started already.
pub(super) async fn stop(
    config: &Config,
    node: Node,
    slots: Slots,
    connections: TaskTracker,
    shutdown: &Shutdown,
    registry: &Registry,
) {
    let deadline = Instant::now() + config.timeouts.drain;
    slots.close();
    connections.close();
    if !connections.is_empty() {
        tracing::info!(connections = connections.len(), grace = ?config.timeouts.drain, "draining");
    }
    tokio::select! {
        () = connections.wait() => {}
        () = tokio::time::sleep_until(deadline) => {}
        () = shutdown.abort.cancelled() => {}
    }
    let cut = connections.len();
    if cut > 0 {
        tracing::warn!(
            connections = cut,
            "the grace is over: connections are reset"
        );
    }
    shutdown.abort.cancel();
    let _ = timeout(LAST_MOMENT, connections.wait()).await;
    sum_up(&registry.total());
    flush(&node, deadline.saturating_duration_since(Instant::now())).await;
    close(node, close_bound(config)).await;
}

/// What the program has done in all. Refusals have no lines of their own, so this
/// is where their exact number stands.
fn sum_up(all: &Snapshot) {
    tracing::info!(
        accepted = all.accepted,
        refused = all.refused,
        dial_failed = all.ended(Ended::DialFailed),
        denied = all.ended(Ended::Denied),
        accept_errors = all.accept_errors,
        to_target = all.to_target,
        to_peer = all.to_peer,
        "served"
    );
}

async fn flush(node: &Node, left: Duration) {
    match node.flush(left).await {
        Ok(flushed) if flushed.connections == 0 => {}
        Ok(flushed) => tracing::warn!(
            connections = flushed.connections,
            bytes = flushed.bytes,
            "closing with bytes that peers have not acknowledged"
        ),
        Err(error) => tracing::warn!(%error, "flushing failed"),
    }
}

/// Closes the node and logs how it went, within a bound.
pub(super) async fn close(node: Node, bound: Duration) {
    match timeout(bound, node.close()).await {
        Ok(Ok(Closed {
            abandoned: Some(left_behind),
            ..
        })) => tracing::warn!(left_behind, "the node is closed"),
        Ok(Ok(Closed { logged_out, .. })) => tracing::info!(logged_out, "the node is closed"),
        Ok(Err(error)) => tracing::warn!(%error, "closing the node failed"),
        Err(_) => tracing::warn!(?bound, "the node did not close in time"),
    }
}
