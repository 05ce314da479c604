//! The one list of environment variables. The settings struct, the flags, `--help`, the README's
//! table and the warnings about unknown names all come from it: a new variable is one entry here.

use std::path::PathBuf;

use serde::Deserialize;

use super::connection_count::{self, ConnectionCount};
use super::control_url::{self, ControlUrl};
use super::duration::{self, AnyDuration, PositiveDuration};
pub use super::foreign::UNSET;
use super::forward::Forward;
use super::forward_text::Targets;
use super::hostname::{self, Hostname};
use super::listen::{LocalText, TailnetText};
use super::log::{self, LogFilter, LogFormat};
use super::memory_limit::{self, MemoryLimit};
use super::reading::Reading;
use super::secret::Secret;
use super::service_address::{self, AdminText, Socks5Text};
use super::switch::{self, Switch};
pub use super::tables::{help_text, markdown_table};
use super::tags::{self, Tags};
use super::variable::PLAIN;
pub use super::variable::{DefaultValue, Group, Variable};

/// Makes the list and, beside it, the struct that serde fills: one field a variable, named like it
/// in lower case.
macro_rules! variables {
    ($($field:ident: $type:ty = { $($part:ident: $value:expr),* $(,)? })*) => {
        /// Every variable that the program reads, in the order shown.
        pub const VARIABLES: &[Variable] = &[$(Variable { $($part: $value,)* ..PLAIN }),*];

        /// Every variable as it was read.
        #[derive(Debug, Default, Deserialize)]
        #[serde(default)]
        pub(super) struct Readings {
            $(pub(super) $field: Reading<$type>,)*
        }

        impl Readings {
            /// The variables whose text was not understood, each with the reason.
            pub(super) fn wrong(&self) -> Vec<(&'static str, &str)> {
                let reasons = [$(self.$field.wrong()),*];
                let named = VARIABLES.iter().zip(reasons);
                named.filter_map(|(variable, why)| Some((variable.name, why?))).collect()
            }
        }

        #[cfg(test)]
        const FIELDS: &[&str] = &[$(stringify!($field)),*];
    };
}

variables! {
    ts_config: PathBuf = {
        name: "TS_CONFIG", flag: Some("config"), in_file: false,
        help: "configuration file, in TOML",
        rule: "a file of at most 1 MiB that other users may not write",
    }
    ts_authkey: Secret = {
        name: "TS_AUTHKEY", secret: true,
        help: "auth key for the first login; not needed once there is state",
        rule: "a key without white space; not together with another login",
    }
    ts_authkey_file: PathBuf = {
        name: "TS_AUTHKEY_FILE", flag: Some("authkey-file"),
        default: DefaultValue::Described("the systemd credential ts-authkey, if there is one"),
        help: "file that holds the auth key",
        rule: "a file that other users may not read; not together with another login",
    }
    ts_client_secret: Secret = {
        name: "TS_CLIENT_SECRET", secret: true,
        help: "client secret of an OAuth client, which makes an auth key for the first login",
        rule: "a secret without white space; not together with another login; needs TS_TAGS",
    }
    ts_client_secret_file: PathBuf = {
        name: "TS_CLIENT_SECRET_FILE", flag: Some("client-secret-file"),
        help: "file that holds the client secret",
        rule: "a file that other users may not read; not together with another login; needs \
            TS_TAGS",
    }
    ts_tags: Tags = {
        name: "TS_TAGS", flag: Some("tags"),
        help: "tags that the node asks for, separated by commas",
        rule: tags::RULE,
    }
    ts_control_url: ControlUrl = {
        name: "TS_CONTROL_URL", flag: Some("control-url"),
        default: DefaultValue::Described("Tailscale's"),
        help: "control server",
        rule: control_url::RULE,
    }
    ts_hostname: Hostname = {
        name: "TS_HOSTNAME", flag: Some("hostname"), default: DefaultValue::Text("tailport"),
        help: "the node's name on the tailnet",
        rule: hostname::RULE,
    }
    ts_state_dir: PathBuf = {
        name: "TS_STATE_DIR", flag: Some("state-dir"),
        default: DefaultValue::Described(
            "first entry of $STATE_DIRECTORY, else $XDG_STATE_HOME/tailport, else \
            $HOME/.local/state/tailport",
        ),
        help: "directory of the node's identity, made with mode 0700 and used by one instance at \
            a time",
        rule: "a directory that other users may not read",
    }
    ts_ephemeral: Switch = {
        name: "TS_EPHEMERAL", flag: Some("ephemeral"), default: DefaultValue::Text("false"),
        help: "remove the node from the tailnet on exit",
        rule: switch::RULE, switch: true,
    }
    ts_expose: String = {
        name: "TS_EXPOSE", group: Group::Forwards,
        help: "ports of the tailnet that lead to this machine, separated by commas, such as \
            22=127.0.0.1:22",
        rule: Forward::EXPOSE_RULE,
    }
    ts_connect: String = {
        name: "TS_CONNECT", group: Group::Forwards,
        help: "ports of this machine that lead into the tailnet, separated by commas, such as \
            127.0.0.1:33389=rdp-host:3389",
        rule: Forward::CONNECT_RULE,
    }
    ts_target: Targets = {
        name: "TS_TARGET", group: Group::Forwards,
        help: "short form of one forward: with TS_LISTEN an expose, with TS_LOCAL_ADDR a connect, \
            alone an expose of a local port",
        rule: "HOST:PORT, IPv6 in brackets, or unix:/PATH, or several with a vertical bar between \
            them; alone only when HOST is loopback",
    }
    ts_listen: TailnetText = {
        name: "TS_LISTEN", group: Group::Forwards,
        help: "port of the tailnet that leads to TS_TARGET",
        rule: "PORT or :PORT, also with /udp or /tls, or svc:NAME:PORT; only with TS_TARGET, not \
            together with TS_LOCAL_ADDR",
    }
    ts_local_addr: LocalText = {
        name: "TS_LOCAL_ADDR", group: Group::Forwards,
        help: "address of this machine that leads to TS_TARGET on the tailnet",
        rule: "ADDRESS:PORT, or PORT or :PORT on 127.0.0.1, also with /udp, or unix:/PATH; only \
            with TS_TARGET, not together with TS_LISTEN",
    }
    ts_timeout: PositiveDuration = {
        name: "TS_TIMEOUT", group: Group::Limits, flag: Some("timeout"),
        default: DefaultValue::Text("30s"),
        help: "time from the start until the node runs or a login URL is shown",
        rule: duration::MORE_THAN_ZERO,
    }
    ts_login_timeout: AnyDuration = {
        name: "TS_LOGIN_TIMEOUT", group: Group::Limits, flag: Some("login-timeout"),
        default: DefaultValue::Text("10m"),
        help: "time that a person has at the login URL; 0 does not wait",
        rule: duration::ZERO_OR_MORE,
    }
    ts_dial_timeout: PositiveDuration = {
        name: "TS_DIAL_TIMEOUT", group: Group::Limits, flag: Some("dial-timeout"),
        default: DefaultValue::Text("5s"),
        help: "time for the whole dial of one connection, retries included",
        rule: duration::MORE_THAN_ZERO,
    }
    ts_idle_timeout: AnyDuration = {
        name: "TS_IDLE_TIMEOUT", group: Group::Limits, flag: Some("idle-timeout"),
        default: DefaultValue::Text("0"),
        help: "a connection without a byte in either direction for this long, or up to half as \
            long again, is ended; 0 is never",
        rule: duration::ZERO_OR_MORE,
    }
    ts_drain_timeout: AnyDuration = {
        name: "TS_DRAIN_TIMEOUT", group: Group::Limits, flag: Some("drain-timeout"),
        default: DefaultValue::Text("15s"),
        help: "time that open connections have to end after a stop signal",
        rule: duration::ZERO_OR_MORE,
    }
    ts_keepalive: AnyDuration = {
        name: "TS_KEEPALIVE", group: Group::Limits, flag: Some("keepalive"),
        default: DefaultValue::Text("1m"),
        help: "idle time before keepalive probes; a vanished peer is gone within about twice \
            that; 0 is off",
        rule: duration::ZERO_OR_MORE,
    }
    ts_max_connections: ConnectionCount = {
        name: "TS_MAX_CONNECTIONS", group: Group::Limits, flag: Some("max-connections"),
        default: DefaultValue::Text("1000"),
        help: "connections at one time over all forwards; more are refused",
        rule: connection_count::RULE,
    }
    ts_memory_limit: MemoryLimit = {
        name: "TS_MEMORY_LIMIT", group: Group::Limits, flag: Some("memory-limit"),
        default: DefaultValue::Text("auto"),
        help: "soft memory limit of the Go half; auto is a share of the cgroup's limit, else a \
            measured value",
        rule: memory_limit::RULE,
    }
    ts_admin_addr: AdminText = {
        name: "TS_ADMIN_ADDR", group: Group::Services, flag: Some("admin-addr"),
        default: DefaultValue::Text("off"),
        help: "where health, metrics and status are served, over HTTP and for reading only",
        rule: service_address::ADMIN_RULE,
    }
    ts_socks5_addr: Socks5Text = {
        name: "TS_SOCKS5_ADDR", group: Group::Services, flag: Some("socks5-addr"),
        default: DefaultValue::Text("off"),
        help: "where programs of this machine reach the tailnet through a SOCKS5 proxy",
        rule: service_address::SOCKS5_RULE,
    }
    ts_log: LogFilter = {
        name: "TS_LOG", group: Group::Logs, flag: Some("log"), default: DefaultValue::Text("info"),
        help: "what is logged, to stderr",
        rule: log::FILTER_RULE,
    }
    ts_log_format: LogFormat = {
        name: "TS_LOG_FORMAT", group: Group::Logs, flag: Some("log-format"),
        default: DefaultValue::Text("text"),
        help: "form of a log line",
        rule: log::FORMAT_RULE,
    }
    ts_log_upload: Switch = {
        name: "TS_LOG_UPLOAD", group: Group::Logs, flag: Some("log-upload"),
        default: DefaultValue::Text("false"),
        help: "let the Go half upload its log to Tailscale",
        rule: switch::RULE, switch: true,
    }
}

/// The variable of this name.
pub fn find(name: &str) -> Option<&'static Variable> {
    VARIABLES.iter().find(|variable| variable.name == name)
}

#[cfg(test)]
mod tests;
