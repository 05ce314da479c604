//! The configuration read again while the program runs. What cannot be changed
//! without a restart is named; a configuration that is wrong changes nothing.

use super::failure::Failure;
use super::forwards::Forwards;
use crate::admin::Refusal;
use crate::config::{self, Config, Parsed, Problems};
use crate::tailnet::Node;

/// Reads the configuration from where it came from, as it is now.
pub type Source = Box<dyn Fn() -> Result<Parsed, Problems> + Send + Sync>;

/// Reads the configuration and makes the forwards those that it names. Returns a line
/// for each thing that was done or needs a restart; they are logged too. What is no
/// forward's own is taken from the configuration that the program was started with.
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
        .change(&parsed.config.forwards, started_with, node)
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
    for name in config::changes(started_with, &parsed.config).restart_needed {
        let line = format!("{name} needs a restart to take effect");
        tracing::warn!("reload: {line}");
        done.push(line);
    }
    Ok(done)
}
