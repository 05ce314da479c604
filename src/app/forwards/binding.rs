//! What listens on this machine: bound before the node is started, so that nothing of
//! this machine's can fail after it.

use super::listener::{self, Bound};
use crate::app::failure::Failure;
use crate::config::Config;
use crate::proxy::kernel::KernelListener;

/// Every listener of this machine, bound before the node is troubled.
pub(in crate::app) struct Binding {
    pub(super) forwards: Vec<Bound>,
    pub(super) socks5: Option<(String, KernelListener)>,
}

/// Binds what listens on this machine.
pub(in crate::app) async fn bind(config: &Config) -> Result<Binding, Failure> {
    let mut forwards = Vec::with_capacity(config.forwards.len());
    for configured in &config.forwards {
        forwards.push(Bound::new(configured, config).await?);
    }
    let socks5 = match config.socks5 {
        Some(address) => Some(listener::socks5(address, config).await?),
        None => None,
    };
    Ok(Binding { forwards, socks5 })
}
