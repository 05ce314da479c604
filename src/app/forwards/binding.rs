//! What listens on this machine: bound before the node is started, so that nothing of
//! this machine's can fail after it.

use super::listener::{self, Bound};
use crate::app::failure::Failure;
use crate::app::service_manager::Sockets;
use crate::config::{Config, Destination, chain};
use crate::exit::Exit;
use crate::proxy::kernel::KernelListener;
use crate::proxy::socks::{Login, NoEntry, Reach, Rules};

/// Every listener of this machine, bound before the node is troubled.
pub(in crate::app) struct Binding {
    pub(super) forwards: Vec<Bound>,
    pub(super) socks5: Option<Socks5>,
}

/// Where SOCKS5 is spoken, and what is asked of its clients.
pub(super) struct Socks5 {
    /// The place as told.
    pub(super) listen: String,
    pub(super) listener: KernelListener,
    pub(super) rules: Rules,
}

/// Binds what listens on this machine and is not among the service manager's sockets.
pub(in crate::app) async fn bind(config: &Config, sockets: &Sockets) -> Result<Binding, Failure> {
    sockets.check(&config.forwards)?;
    let mut forwards = Vec::with_capacity(config.forwards.len());
    for configured in &config.forwards {
        forwards.push(Bound::new(configured, config, sockets).await?);
    }
    let socks5 = match config.socks5 {
        Some(address) => {
            let rules = socks5_rules(config)?;
            let (listen, listener) = listener::socks5(address, config).await?;
            Some(Socks5 {
                listen,
                listener,
                rules,
            })
        }
        None => None,
    };
    Ok(Binding { forwards, socks5 })
}

/// What the proxy asks of its clients.
fn socks5_rules(config: &Config) -> Result<Rules, Failure> {
    let wrong = |error: &dyn std::error::Error| {
        let detail = format!("the [socks5] table: {}", chain(error));
        Failure::new(Exit::Usage, "usage", detail)
    };
    let configured = &config.socks5_rules;
    let login = configured.login.as_ref().map(|login| {
        let password = login.password.expose();
        Login::new(login.user.as_str().into(), password.into())
    });
    let reach = configured.allow.as_deref().map(reach);
    Ok(Rules {
        login: login.transpose().map_err(|error| wrong(&error))?,
        reach: reach.transpose().map_err(|error| wrong(&error))?,
    })
}

fn reach(allow: &[Destination]) -> Result<Vec<Reach>, NoEntry> {
    let entries = allow.iter().map(|entry| entry.to_string().parse());
    entries.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_destination_that_can_be_configured_is_one_of_the_proxys() {
        let texts = [
            "db-host:5432",
            "db-host.",
            "*.Internal:443",
            "10.0.0.0/8:22",
            "fd7a::/16",
            "[fd7a::1]:22",
            "::ffff:10.0.0.7",
        ];
        let allow: Vec<Destination> = texts.map(|text| text.parse().unwrap()).into();
        assert_eq!(reach(&allow).unwrap().len(), texts.len());
    }
}
