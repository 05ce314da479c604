//! The configuration: from flags, environment and file to a [`Config`] that has nothing left to check.
//!
//! ```text
//! flags, environment, file ─► settings ─► variables (the one list; envy + serde) ─► readings
//!   readings ─► login, state_path, forwards (short_form) ─► Config, or Problems with every mistake
//! ```
//!
//! [`parse`] opens no socket and changes nothing. It reads the configuration file and the key file
//! when they are configured. The environment is an argument, so that tests never touch the real one.
//! A bad value never falls back to a default: it is a mistake.

pub mod address;
pub mod allow;
mod connection_count;
mod control_url;
pub mod duration;
mod file;
mod foreign;
pub mod forward;
mod forward_text;
mod forwards;
mod guarded_file;
mod hostname;
mod key_file;
pub mod listen;
mod log;
mod login;
mod memory_limit;
mod nearest;
mod origin;
pub mod path_walk;
mod ports;
mod problems;
mod reading;
mod secret;
mod service_address;
mod settings;
mod short_form;
pub mod socket_access;
pub mod socket_path;
mod state_path;
mod summary;
mod switch;
mod tables;
pub mod tags;
mod variable;
pub mod variables;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

pub use address::{Host, Target};
pub use allow::{Allow, Identity};
pub use control_url::ControlUrl;
pub use forward::{Forward, ForwardOptions, ProxyProtocol};
pub use forward_text::ForwardError;
pub use forwards::ForwardArguments;
pub use listen::{Listen, Protocol};
pub use log::{LogConfig, LogFilter, LogFormat};
pub use memory_limit::MemoryLimit;
pub use problems::{Mistake, Problems, chain};
pub use secret::{REDACTED, Secret, redact};
pub use service_address::AdminAddress;
pub use socket_access::{Account, SocketAccess};
pub use socket_path::SocketPath;
pub use summary::Summary;
pub use tags::Tag;

use login::Login;
use service_address::{AdminText, Socks5Text};
use settings::Settings;
use short_form::ShortForm;
use tags::Tags;

/// Everything that the program is asked to do.
#[derive(Clone, Debug)]
pub struct Config {
    /// The node on the tailnet.
    pub node: NodeConfig,
    /// What is forwarded: at least one, no two in one place.
    pub forwards: Vec<Forward>,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// The most connections at one time, over all forwards.
    pub max_connections: NonZeroU32,
    /// The soft memory limit of the Go half.
    pub memory_limit: MemoryLimit,
    /// Where the admin endpoint listens; `None` is nowhere.
    pub admin: Option<AdminAddress>,
    /// Where the SOCKS5 proxy listens; `None` is nowhere.
    pub socks5: Option<SocketAddr>,
    /// What is logged.
    pub log: LogConfig,
    /// The configuration file, when there is one.
    pub file: Option<PathBuf>,
}

/// The node on the tailnet.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Its name: a valid DNS label.
    pub hostname: String,
    /// The control server; `None` is Tailscale's.
    pub control_url: Option<ControlUrl>,
    /// Its identity's directory, absolute, valid UTF-8. It may not exist yet.
    pub state_dir: PathBuf,
    /// The key of the first login. Without one, without a client secret and without state, a person
    /// must log in.
    pub auth_key: Option<Secret>,
    /// The client secret that makes a key for the first login. Never beside an auth key; always with
    /// tags.
    pub client_secret: Option<Secret>,
    /// The tags that the node asks for, none twice.
    pub tags: Vec<Tag>,
    /// Whether it is removed from the tailnet on exit.
    pub ephemeral: bool,
}

/// How long things may take; each is in whole milliseconds and at most [`duration::LONGEST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From the start to a running node or a login URL. More than zero.
    pub start: Duration,
    /// A person's time at the login URL. Zero does not wait.
    pub login: Duration,
    /// The whole dial of one connection, retries included. More than zero.
    pub dial: Duration,
    /// Silence in both directions that ends a connection; `None` is never. More than zero.
    pub idle: Option<Duration>,
    /// Open connections' time after a stop signal. Zero ends them at once.
    pub drain: Duration,
    /// Idle time before keepalive probes; `None` is no probes. More than zero. Kernel sockets count
    /// whole seconds: round up there.
    pub keepalive: Option<Duration>,
}

/// What the command line says, before it is checked.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    /// Flags, each as the name of its variable and the text given.
    pub flags: Vec<(&'static str, OsString)>,
    /// Forwards that stand in for the variables of forwards.
    pub forwards: ForwardArguments,
}

/// A good configuration and what is odd about it.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The configuration.
    pub config: Config,
    /// Things that are odd but not wrong, such as an unknown variable; to be logged.
    pub warnings: Vec<String>,
}

impl Config {
    /// The settings in effect as text, secrets redacted.
    pub fn summary(&self) -> Summary<'_> {
        Summary(self)
    }
}

/// Reads the whole configuration. Flags win over the environment, the environment over the
/// file, the file over defaults; forwards of the file and the environment add up.
///
/// # Errors
/// Every mistake at once, each by its variable, flag or argument, with what is allowed.
pub fn parse(
    arguments: &Arguments,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Parsed, Problems> {
    let mut settings = Settings::collect(&arguments.flags, environment);
    let from_file = settings.read_file(arguments.forwards == ForwardArguments::None);
    forwards::prefer_arguments(&arguments.forwards, &mut settings);
    let config = build(&arguments.forwards, from_file, &mut settings);
    let Settings {
        mut mistakes,
        warnings,
        ..
    } = settings;
    match config {
        Some(config) if mistakes.is_empty() => Ok(Parsed { config, warnings }),
        _ => {
            if mistakes.is_empty() {
                mistakes.push(Mistake::new("configuration", "is incomplete"));
            }
            Err(Problems { mistakes, warnings })
        }
    }
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

/// `None` only when a mistake is noted in the settings.
fn build(
    arguments: &ForwardArguments,
    file: Vec<(usize, Forward)>,
    settings: &mut Settings,
) -> Option<Config> {
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
    let sources = forwards::Sources {
        file,
        expose: read.ts_expose.ok(),
        connect: read.ts_connect.ok(),
        short,
        services: services(admin, socks5),
    };
    let forwards = forwards::collect(arguments, sources, settings);
    let more_than_zero = |duration: Duration| Some(duration).filter(|duration| !duration.is_zero());
    Some(Config {
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
        log: LogConfig {
            filter: read.ts_log.ok()?,
            format: read.ts_log_format.ok()?,
            upload: read.ts_log_upload.ok()?.0,
        },
        file: read.ts_config.ok(),
    })
}
