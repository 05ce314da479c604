//! The configuration read again while the program runs. What cannot be changed
//! without a restart is named; a configuration that is wrong changes nothing.

use super::failure::Failure;
use super::forwards::Forwards;
use crate::admin::Refusal;
use crate::config::{Config, Parsed, Problems};
use crate::tailnet::Node;

/// Reads the configuration from where it came from, as it is now.
pub type Source = Box<dyn Fn() -> Result<Parsed, Problems> + Send + Sync>;

/// Reads the configuration and makes the forwards those that it names. Returns a line
/// for each thing that was done or needs a restart; they are logged too.
pub(super) async fn reload(
    source: &Source,
    started_with: &Config,
    forwards: &mut Forwards,
    node: &Node,
) -> Result<Vec<String>, Refusal> {
    let parsed = source().map_err(|problems| {
        tracing::error!("the configuration is as it was: {problems}");
        Refusal::Bad(problems.to_string())
    })?;
    for warning in &parsed.warnings {
        tracing::warn!("{warning}");
    }
    let mut done = forwards
        .change(&parsed.config, node)
        .await
        .map_err(|failure: Failure| {
            tracing::error!("the configuration is as it was: {failure}");
            Refusal::Failed(failure.to_string())
        })?;
    if done.is_empty() {
        done.push("nothing to change".to_owned());
    }
    for line in &done {
        tracing::info!("reload: {line}");
    }
    for name in needs_restart(started_with, &parsed.config) {
        let line = format!("{name} needs a restart to take effect");
        tracing::warn!("reload: {line}");
        done.push(line);
    }
    Ok(done)
}

/// The settings that differ and that hold for the whole life of the process.
fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let (a, b) = (&old.node, &new.node);
    let settings = [
        ("TS_HOSTNAME", a.hostname == b.hostname),
        (
            "TS_CONTROL_URL",
            a.control_url.as_ref().map(ToString::to_string)
                == b.control_url.as_ref().map(ToString::to_string),
        ),
        ("TS_STATE_DIR", a.state_dir == b.state_dir),
        ("TS_EPHEMERAL", a.ephemeral == b.ephemeral),
        ("TS_DRAIN_TIMEOUT", old.timeouts.drain == new.timeouts.drain),
        (
            "TS_KEEPALIVE",
            old.timeouts.keepalive == new.timeouts.keepalive,
        ),
        (
            "TS_MAX_CONNECTIONS",
            old.max_connections == new.max_connections,
        ),
        ("TS_MEMORY_LIMIT", old.memory_limit == new.memory_limit),
    ];
    let differ = settings.into_iter().filter(|(_, same)| !same);
    differ.map(|(name, _)| name).collect()
}
