//! Everything that there is to see and to ask, in one place, for every door.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

use super::exposition;
use super::node_status::NodeStatus;
use super::operations::Operations;
use super::report::{Connections, Report};
use crate::telemetry::process::Process;
use crate::telemetry::registry::Registry;

/// The program as its doors see it. Clones see the same.
#[derive(Clone)]
pub struct View {
    node: watch::Receiver<NodeStatus>,
    registry: Arc<Registry>,
    limit: u64,
    started: Instant,
    operations: Arc<dyn Operations>,
}

impl View {
    /// Sees a node's status, the counters of all forwards and the cap on connections; the
    /// rest is asked of `operations`. The program counts as started now.
    pub fn new(
        node: watch::Receiver<NodeStatus>,
        registry: Arc<Registry>,
        limit: u64,
        operations: Arc<dyn Operations>,
    ) -> Self {
        Self {
            node,
            registry,
            limit,
            started: Instant::now(),
            operations,
        }
    }

    /// The node as it is now.
    pub fn node(&self) -> NodeStatus {
        self.node.borrow().clone()
    }

    /// What can be asked.
    pub fn operations(&self) -> &dyn Operations {
        &*self.operations
    }

    /// Everything, with what only the owner may know.
    pub fn report(&self) -> Report {
        let node = self.node();
        let reasons = node.reasons();
        Report {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ready: reasons.is_empty(),
            reasons,
            uptime_seconds: self.started.elapsed().as_secs(),
            node,
            connections: Connections::new(&self.registry.total(), self.limit),
            forwards: self
                .registry
                .snapshot()
                .into_iter()
                .map(Into::into)
                .collect(),
            recent: self
                .registry
                .recent()
                .newest_first()
                .into_iter()
                .map(Into::into)
                .collect(),
        }
    }

    /// The metrics, in Prometheus' text format.
    pub async fn metrics(&self) -> String {
        exposition::text(&exposition::Sources {
            node: &self.node(),
            forwards: &self.registry.snapshot(),
            limit: self.limit,
            paths: self.operations.paths().await.ok(),
            library: self.operations.library(),
            process: Process::read(),
        })
    }
}
