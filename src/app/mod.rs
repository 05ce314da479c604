//! The running program: the only room that knows every part.
//!
//! [`prepare`] does what must come before there are threads, [`run`] builds
//! everything, says so, and serves until it is told to stop. Nothing new can fail
//! to start after the READY line.
//!
//! | file | its one idea |
//! |---|---|
//! | `program` | from listeners to the end: what comes after what |
//! | `start` | from a configuration to a node that runs, or why not |
//! | `forwards` | listeners bound, joined to their targets, and changed |
//! | `reload` | the configuration read again |
//! | `identities` | who comes from which address |
//! | `paths` | by which ways the peers are reached |
//! | `operations` | what the control socket asks and wants done |
//! | `signals` | SIGTERM, SIGINT and SIGHUP, beside Go |
//! | `stop` | drain, flush, close |
//! | `watch` | what the node says of itself meanwhile |
//! | `key_expiry` | warnings ahead of the node key's expiry |
//! | `doors` | the control socket and the admin endpoint |
//! | `runtime` | the threads of this half |
//! | `service_manager` | what systemd gave at the start, and what it is told |
//! | `descriptors` | the connection cap against the descriptor limit |
//! | `memory` | the Go half's soft memory limit |
//! | `report` | the READY and ERROR lines, the login URL |
//! | `login_code` | the login URL as a QR code |
//! | `failure` | why the program ends, with its exit code |

mod descriptors;
mod doors;
mod failure;
mod forwards;
mod identities;
mod key_expiry;
mod login_code;
mod memory;
mod operations;
mod paths;
mod program;
mod reload;
mod report;
mod runtime;
mod service_manager;
mod signals;
mod start;
mod stop;
mod watch;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;

use tokio::sync::watch::Sender;

pub use failure::Failure;
pub use reload::Source;
pub use report::error_line;
pub use runtime::runtime;

use operations::Desk;
use program::Program;
use service_manager::{Handover, ServiceManager};
use signals::StopSignals;

use crate::admin::NodeStatus;
use crate::config::{Config, variables};
use crate::shutdown::Shutdown;
use crate::state_dir::StateDir;
use crate::tailnet;

/// Unless this is off a restarted node says that it runs from the network map on
/// its disk, even when its key has expired or the node has been deleted.
const USE_CACHED_NETMAP: &str = "TS_USE_CACHED_NETMAP";

/// What [`run`] needs that had to be made before there were threads.
#[derive(Debug)]
pub struct Prepared {
    state_dir: StateDir,
    handover: Handover,
}

/// Checks the descriptor limit, takes the state directory and what a service manager has left
/// in the environment, and gives the Go half its own. The process must still have a single
/// thread of its own.
///
/// # Errors
/// What cannot be had, with what to do.
pub fn prepare(config: &Config, environment: &[(OsString, OsString)]) -> Result<Prepared, Failure> {
    descriptors::check(config.max_connections)?;
    let state_dir = StateDir::open(&config.node.state_dir)?;
    let handover = Handover::take(environment)?;
    let unset = [variables::UNSET, &service_manager::VARIABLES].concat();
    tailnet::init(&tailnet::Environment {
        unset: &unset,
        set: BTreeMap::from([(USE_CACHED_NETMAP, "false".to_owned())]),
        log_upload: config.log.upload,
        memory_limit: memory::limit(config.memory_limit),
    })?;
    Ok(Prepared {
        state_dir,
        handover,
    })
}

/// Builds everything, prints the READY line and serves until a signal; then
/// drains, flushes and closes. The state directory stays locked to the end, and
/// the control socket in it, and the admin endpoint if there is one, answer to it.
/// `source` reads the configuration again when that is asked for.
///
/// # Errors
/// Why the program could not start, or could not go on.
///
/// # Cancel safety
/// Not meant to be cancelled: dropping it drops node and connections unclosed.
pub async fn run(config: Config, source: Source, prepared: Prepared) -> Result<(), Failure> {
    let shutdown = Shutdown::default();
    let signals = StopSignals::new().map_err(Failure::signals)?;
    let (desk, requests) = Desk::new(config.file.is_some()).map_err(Failure::signals)?;
    let status = Sender::new(NodeStatus {
        hostname: config.node.hostname.clone(),
        ..NodeStatus::default()
    });
    let registry = Arc::default();
    let (manager, sockets) =
        ServiceManager::new(prepared.handover, status.subscribe(), Arc::clone(&registry));
    let desk = Arc::new(desk);
    let program = Program {
        config: &config,
        source: &source,
        shutdown: &shutdown,
        status: &status,
        manager: &manager,
        sockets: Arc::new(sockets),
        registry,
        desk: Arc::clone(&desk),
    };
    let grace = stop::bound(&config);
    let ended = tokio::select! {
        biased;
        never = manager.attend(&desk, &shutdown.drain, grace) => match never {},
        ended = program.run(&prepared.state_dir, requests) => ended,
        // Returns only after a second signal.
        () = obey(&shutdown, signals) => return Ok(()),
    };
    drop(prepared.state_dir);
    if let Err(failure) = &ended {
        manager.failed(failure).await;
    }
    ended
}

/// Obeys signals; after the second one gives what is aborted a moment to reset
/// its peers, and returns.
async fn obey(shutdown: &Shutdown, signals: StopSignals) {
    shutdown.obey(signals).await;
    tokio::time::sleep(stop::LAST_MOMENT).await;
}
