//! From everything that was read to one [`Config`].

use std::net::SocketAddr;
use std::time::Duration;

use super::forward::Forward;
use super::forwards::{self, ForwardArguments};
use super::listen::{Listen, Protocol};
use super::log::LogConfig;
use super::login::{self, Login};
use super::service_address::{AdminAddress, AdminText, Socks5Text};
use super::settings::Settings;
use super::short_form::ShortForm;
use super::socks5;
use super::state_path;
use super::tags::Tags;
use super::{Config, NodeConfig, Timeouts};

/// The configuration, and where each of its forwards comes from. `None` only when a mistake is noted
/// in the settings.
pub(super) fn config(
    arguments: &ForwardArguments,
    file: Vec<(usize, Forward)>,
    settings: &mut Settings,
) -> Option<(Config, Vec<String>)> {
    let read = settings.read();
    let login = login::Sources {
        auth_key: read.ts_authkey.ok(),
        auth_key_file: read.ts_authkey_file.ok(),
        client_secret: read.ts_client_secret.ok(),
        client_secret_file: read.ts_client_secret_file.ok(),
    };
    let Login {
        auth_key,
        client_secret,
    } = login::choose(login, settings);
    let state_dir = state_path::choose(read.ts_state_dir.ok(), settings);
    let short = ShortForm {
        target: read.ts_target.ok(),
        listen: read.ts_listen.ok(),
        local: read.ts_local_addr.ok(),
    };
    let admin = read
        .ts_admin_addr
        .ok()
        .and_then(|AdminText(address)| address);
    let socks5 = read
        .ts_socks5_addr
        .ok()
        .and_then(|Socks5Text(address)| address);
    let table = settings.socks5.take();
    let socks5_rules = socks5::rules(table, settings);
    let sources = forwards::Sources {
        file,
        expose: read.ts_expose.ok(),
        connect: read.ts_connect.ok(),
        short,
        services: services(admin, socks5),
    };
    let (forwards, origins) = forwards::collect(arguments, sources, settings);
    let more_than_zero = |duration: Duration| Some(duration).filter(|duration| !duration.is_zero());
    let config = Config {
        node: NodeConfig {
            hostname: read.ts_hostname.ok()?.0,
            control_url: read.ts_control_url.ok(),
            state_dir: state_dir?,
            auth_key,
            client_secret,
            tags: read.ts_tags.ok().map_or_else(Vec::new, |Tags(tags)| tags),
            ephemeral: read.ts_ephemeral.ok()?.0,
        },
        forwards,
        timeouts: Timeouts {
            start: read.ts_timeout.ok()?.0,
            login: read.ts_login_timeout.ok()?.0,
            dial: read.ts_dial_timeout.ok()?.0,
            idle: more_than_zero(read.ts_idle_timeout.ok()?.0),
            drain: read.ts_drain_timeout.ok()?.0,
            keepalive: more_than_zero(read.ts_keepalive.ok()?.0),
        },
        max_connections: read.ts_max_connections.ok()?.0,
        memory_limit: read.ts_memory_limit.ok()?,
        admin,
        socks5,
        socks5_rules,
        log: LogConfig {
            filter: read.ts_log.ok()?,
            format: read.ts_log_format.ok()?,
            upload: read.ts_log_upload.ok()?.0,
        },
        file: read.ts_config.ok(),
    };
    Some((config, origins))
}

/// The places that the program's own services take, each with its variable.
fn services(
    admin: Option<AdminAddress>,
    socks5: Option<SocketAddr>,
) -> Vec<(&'static str, Listen)> {
    let protocol = Protocol::Tcp;
    let admin = admin.map(|address| ("TS_ADMIN_ADDR", address.listen()));
    let socks5 = socks5.map(|address| ("TS_SOCKS5_ADDR", Listen::Local { address, protocol }));
    admin.into_iter().chain(socks5).collect()
}
