//! The running program: the only room that knows every part.
//!
//! [`prepare`] does what must come before there are threads, [`run`] builds
//! everything, says so, and serves until it is told to stop. Nothing new can fail
//! to start after the READY line.
//!
//! | file | its one idea |
//! |---|---|
//! | `start` | from a configuration to a node that runs, or why not |
//! | `forwards` | listeners bound and joined to their targets |
//! | `stop` | drain, flush, close |
//! | `watch` | what the node says of itself meanwhile |
//! | `key_expiry` | warnings ahead of the node key's expiry |
//! | `doors` | the control socket and the admin endpoint |
//! | `descriptors` | the connection cap against the descriptor limit |
//! | `memory` | the Go half's soft memory limit |
//! | `report` | the READY and ERROR lines, the login URL |
//! | `failure` | why the program ends, with its exit code |

mod descriptors;
mod doors;
mod failure;
mod forwards;
mod key_expiry;
mod memory;
mod report;
mod start;
mod stop;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch::Sender;
use tokio_util::task::TaskTracker;

pub use failure::Failure;
pub use report::error_line;

use doors::{Doors, Questions};

use crate::admin::{At, NodeStatus, Phase, View};
use crate::config::{Config, variables};
use crate::proxy::slots::Slots;
use crate::shutdown::{Shutdown, StopSignals};
use crate::state_dir::StateDir;
use crate::tailnet;
use crate::telemetry::registry::Registry;

/// Unless this is off a restarted node says that it runs from the network map on
/// its disk, even when its key has expired or the node has been deleted.
const USE_CACHED_NETMAP: &str = "TS_USE_CACHED_NETMAP";

/// What [`run`] needs that had to be made before there were threads.
#[derive(Debug)]
pub struct Prepared {
    state_dir: StateDir,
}

/// Checks the descriptor limit, takes the state directory, and gives the Go half
/// its environment. The process must still have a single thread of its own.
///
/// # Errors
/// What cannot be had, with what to do.
pub fn prepare(config: &Config) -> Result<Prepared, Failure> {
    descriptors::check(config.max_connections)?;
    let state_dir = StateDir::open(&config.node.state_dir)?;
    tailnet::init(&tailnet::Environment {
        unset: variables::UNSET,
        set: BTreeMap::from([(USE_CACHED_NETMAP, "false".to_owned())]),
        log_upload: config.log.upload,
        memory_limit: memory::limit(config.memory_limit),
    })?;
    Ok(Prepared { state_dir })
}

/// Builds everything, prints the READY line and serves until a signal; then
/// drains, flushes and closes. The state directory stays locked to the end, and
/// the control socket in it, and the admin endpoint if there is one, answer to it.
///
/// # Errors
/// Why the program could not start, or could not go on.
///
/// # Cancel safety
/// Not meant to be cancelled: dropping it drops node and connections unclosed.
pub async fn run(config: Config, prepared: Prepared, admin: Option<At>) -> Result<(), Failure> {
    let shutdown = Shutdown::default();
    let signals = StopSignals::new().map_err(Failure::signals)?;
    let work = serve(&config, admin, &prepared.state_dir, &shutdown);
    tokio::select! {
        biased;
        ended = work => {
            drop(prepared.state_dir);
            ended
        }
        // Returns only after a second signal.
        () = obey(&shutdown, signals) => Ok(()),
    }
}

/// Obeys signals; after the second one gives what is aborted a moment to reset
/// its peers, and returns.
async fn obey(shutdown: &Shutdown, signals: StopSignals) {
    shutdown.obey(signals).await;
    tokio::time::sleep(stop::LAST_MOMENT).await;
}

/// Forwards with every door open, from before the node is started until it is closed.
async fn serve(
    config: &Config,
    admin: Option<At>,
    state_dir: &StateDir,
    shutdown: &Shutdown,
) -> Result<(), Failure> {
    let logs = tailnet::logs()?;
    let background = TaskTracker::new();
    background.spawn(watch::relay_logs(logs));

    let status = Sender::new(NodeStatus {
        hostname: config.node.hostname.clone(),
        ..NodeStatus::default()
    });
    let registry = Arc::new(Registry::default());
    let view = View::new(
        status.subscribe(),
        Arc::clone(&registry),
        u64::from(config.max_connections.get()),
        Arc::new(Questions),
    );
    let doors = Doors::open(state_dir, admin, view).await?;
    let ended = forward(config, shutdown, &status, &registry, &doors).await;
    doors.close().await;
    ended
}

async fn forward(
    config: &Config,
    shutdown: &Shutdown,
    status: &Sender<NodeStatus>,
    registry: &Registry,
    doors: &Doors,
) -> Result<(), Failure> {
    let bound = forwards::bind(config).await?;
    let Some((node, info)) = start::node(config, shutdown, status).await? else {
        return Ok(());
    };
    let slots = Slots::new(config.max_connections.get() as usize);
    let connections = TaskTracker::new();
    let result = async {
        let forwards = forwards::open(config, bound, &node, &slots, registry).await?;
        doors.open_on(&node).await?;
        let events = node.watch()?;
        // Before the line: who reads it and asks is told the same.
        status.send_modify(|status| status.phase = Phase::Serving);
        report::ready(&info, forwards.iter().map(|forward| forward.description()));
        let mut serving = forwards::serve(forwards, &connections, shutdown);
        tokio::select! {
            biased;
            () = shutdown.drain.cancelled() => Ok(()),
            failed = forwards::failed(&mut serving) => Err(failed),
            failed = watch::node(events, status) => Err(failed),
        }
    }
    .await;
    if let Err(failure) = &result {
        tracing::warn!(reason = %failure, "stopping");
    }
    status.send_modify(|status| status.phase = Phase::Stopping);
    shutdown.drain.cancel();
    stop::stop(config, node, slots, connections, shutdown, registry).await;
    result
}
