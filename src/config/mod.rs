//! The configuration: from flags, environment and file to a [`Config`] that has nothing left to check.
//!
//! ```text
//! flags, environment, file ─► settings ─► variables (the one list; envy + serde) ─► readings
//!   readings ─► login, state_path, forwards (short_form) ─► assemble ─► Config, or Problems with every mistake
//! ```
//!
//! [`parse`] opens no socket and changes nothing. It reads the configuration file and the key file
//! when they are configured. The environment is an argument, so that tests never touch the real one.
//! A bad value never falls back to a default: it is a mistake. [`changes()`] compares two of them.

pub mod address;
pub mod allow;
mod assemble;
mod changes;
mod connection_count;
mod control_url;
pub mod destination;
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
pub mod service_name;
mod settings;
mod short_form;
pub mod socket_access;
pub mod socket_path;
mod socks5;
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
pub use changes::{Changes, changes};
pub use control_url::ControlUrl;
pub use destination::Destination;
pub use forward::{Forward, ForwardOptions, ProxyProtocol};
pub use forward_text::ForwardError;
pub use forwards::ForwardArguments;
pub use listen::{Listen, Protocol};
pub use log::{LogConfig, LogFilter, LogFormat};
pub use memory_limit::MemoryLimit;
pub use origin::Origins;
pub use problems::{Mistake, Problems, chain};
pub use secret::{REDACTED, Secret, redact};
pub use service_address::AdminAddress;
pub use service_name::ServiceName;
pub use socket_access::{Account, SocketAccess};
pub use socket_path::SocketPath;
pub use socks5::{Socks5Login, Socks5Rules};
pub use summary::Summary;
pub use tags::Tag;

use settings::Settings;

/// Everything that the program is asked to do.
#[derive(Clone, Debug)]
pub struct Config {
    /// The node on the tailnet.
    pub node: NodeConfig,
    /// What is forwarded: at least one unless there is a SOCKS5 proxy, no two in one place.
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
    /// What the SOCKS5 proxy asks of its clients.
    pub socks5_rules: Socks5Rules,
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
    /// Where everything in it comes from.
    pub origins: Origins,
}

impl Config {
    /// The settings in effect as text, secrets redacted.
    pub fn summary(&self) -> Summary<'_> {
        Summary {
            config: self,
            origins: None,
        }
    }
}

impl Parsed {
    /// The settings in effect as text, each with where it comes from, secrets redacted.
    pub fn summary(&self) -> Summary<'_> {
        Summary {
            config: &self.config,
            origins: Some(&self.origins),
        }
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
    let config = assemble::config(&arguments.forwards, from_file, &mut settings);
    let origins = |forwards| settings.origins(forwards);
    let config = config.map(|(config, forwards)| (config, origins(forwards)));
    let Settings {
        mut mistakes,
        warnings,
        ..
    } = settings;
    match config {
        Some((config, origins)) if mistakes.is_empty() => Ok(Parsed {
            config,
            warnings,
            origins,
        }),
        _ => {
            if mistakes.is_empty() {
                mistakes.push(Mistake::new("configuration", "is incomplete"));
            }
            Err(Problems::new(mistakes, warnings))
        }
    }
}

/// Reads where the state directory is, and nothing else: for those who ask the program that runs
/// there, whatever else it was configured with.
///
/// # Errors
/// What is wrong with TS_STATE_DIR or its flag, or that there is none.
pub fn state_dir(
    arguments: &Arguments,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<PathBuf, Problems> {
    const NAMES: [&str; 2] = ["TS_STATE_DIR", "TS_CONFIG"];
    let flags = arguments.flags.iter().cloned();
    let flags: Vec<_> = flags.filter(|(name, _)| NAMES.contains(name)).collect();
    let environment = environment.into_iter().filter(|(name, _)| {
        let name = name.to_str();
        name.is_some_and(|name| NAMES.contains(&name) || !name.starts_with("TS_"))
    });
    let mut settings = Settings::collect(&flags, environment);
    settings.read_file(false);
    let read = settings.read();
    state_path::choose(read.ts_state_dir.ok(), &mut settings).ok_or(Problems {
        mistakes: settings.mistakes,
        warnings: Vec::new(),
    })
}
