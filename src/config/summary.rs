//! The settings in effect, each with where it comes from, as `tailport check` prints them.

use std::fmt;
use std::time::Duration;

use super::duration::AnyDuration;
use super::forward::Forward;
use super::origin::Origins;
use super::secret::{REDACTED, Secret};
use super::socket_access::SocketAccess;
use super::variable::Group;
use super::variables::VARIABLES;
use super::{Config, Tag};

/// Shows a configuration, one setting a line, without any secret. The names are those of the
/// variables.
#[derive(Clone, Copy, Debug)]
pub struct Summary<'a> {
    pub(super) config: &'a Config,
    pub(super) origins: Option<&'a Origins>,
}

/// How wide a terminal is at least.
const WIDTH: usize = 80;

/// Names in the first column are no longer than this.
const NAMES: usize = 18;

/// A line of the table.
struct Row<'a> {
    name: &'a str,
    origin: &'a str,
    value: String,
    /// What follows below the value, a few words each.
    details: Vec<String>,
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups = Group::ALL.map(|group| (group, self.rows(group)));
        let rows = groups.iter().flat_map(|(_, rows)| rows);
        let origins = rows.map(|row| row.origin.chars().count()).max();
        for (i, (group, rows)) in groups.iter().enumerate() {
            let between = if i > 0 { "\n" } else { "" };
            writeln!(f, "{between}# {}", group.title())?;
            for row in rows {
                row.write(f, origins.unwrap_or_default())?;
            }
        }
        Ok(())
    }
}

impl Summary<'_> {
    fn rows(&self, group: Group) -> Vec<Row<'_>> {
        if group == Group::Forwards {
            let forwards = self.config.forwards.iter().enumerate();
            return forwards.map(|(i, one)| self.forward(i, one)).collect();
        }
        let of_group = VARIABLES.iter().filter(|variable| variable.group == group);
        let rows = of_group.filter_map(|variable| {
            Some(Row {
                name: variable.name,
                origin: self.origins.map_or("", |all| all.of(variable.name)),
                value: value(self.config, variable.name)?,
                details: match variable.name {
                    "TS_SOCKS5_ADDR" => socks5(self.config),
                    _ => Vec::new(),
                },
            })
        });
        rows.collect()
    }

    fn forward(&self, index: usize, forward: &Forward) -> Row<'_> {
        Row {
            name: forward.kind(),
            origin: self.origins.map_or("", |all| all.of_forward(index)),
            value: format!("{} to {}", forward.listen, forward.target()),
            details: details(forward),
        }
    }
}

impl Row<'_> {
    /// Writes the row with its details wrapped below the value.
    fn write(&self, f: &mut fmt::Formatter<'_>, origins: usize) -> fmt::Result {
        let (name, origin) = (self.name, self.origin);
        let begin = match origins {
            0 => NAMES + 2,
            _ => NAMES + 2 + origins + 2,
        };
        let start = match origins {
            0 => format!("{name:<NAMES$}"),
            _ => format!("{name:<NAMES$}  {origin:<origins$}"),
        };
        writeln!(f, "{start}  {}", self.value)?;
        let mut line = String::new();
        for (i, detail) in self.details.iter().enumerate() {
            let comma = if i + 1 < self.details.len() { "," } else { "" };
            let piece = format!("{detail}{comma}");
            let full = begin + line.chars().count() + 1 + piece.chars().count() > WIDTH;
            if full && !line.is_empty() {
                writeln!(f, "{:begin$}{line}", "")?;
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&piece);
        }
        match line.as_str() {
            "" => Ok(()),
            line => writeln!(f, "{:begin$}{line}", ""),
        }
    }
}

/// The value in effect of a setting that has a line of its own.
fn value(config: &Config, name: &str) -> Option<String> {
    let node = &config.node;
    let timeouts = &config.timeouts;
    let time = |time: Duration| AnyDuration(time).to_string();
    let secret = |secret: &Option<Secret>| match secret {
        Some(_) => REDACTED.to_owned(),
        None => "none".to_owned(),
    };
    Some(match name {
        "TS_CONFIG" => or("none", config.file.as_ref().map(|file| file.display())),
        "TS_AUTHKEY" => secret(&node.auth_key),
        "TS_CLIENT_SECRET" => secret(&node.client_secret),
        "TS_TAGS" => match node.tags.as_slice() {
            [] => "none".to_owned(),
            tags => {
                let tags: Vec<&str> = tags.iter().map(Tag::as_str).collect();
                tags.join(",")
            }
        },
        "TS_CONTROL_URL" => or("Tailscale's", node.control_url.as_ref()),
        "TS_HOSTNAME" => node.hostname.clone(),
        "TS_STATE_DIR" => node.state_dir.display().to_string(),
        "TS_EPHEMERAL" => node.ephemeral.to_string(),
        "TS_TIMEOUT" => time(timeouts.start),
        "TS_LOGIN_TIMEOUT" => time(timeouts.login),
        "TS_DIAL_TIMEOUT" => time(timeouts.dial),
        "TS_IDLE_TIMEOUT" => time(timeouts.idle.unwrap_or_default()),
        "TS_DRAIN_TIMEOUT" => time(timeouts.drain),
        "TS_KEEPALIVE" => time(timeouts.keepalive.unwrap_or_default()),
        "TS_MAX_CONNECTIONS" => config.max_connections.to_string(),
        "TS_MEMORY_LIMIT" => config.memory_limit.to_string(),
        "TS_ADMIN_ADDR" => or("off", config.admin),
        "TS_SOCKS5_ADDR" => or("off", config.socks5),
        "TS_LOG" => config.log.filter.as_str().to_owned(),
        "TS_LOG_FORMAT" => config.log.format.as_str().to_owned(),
        "TS_LOG_UPLOAD" => config.log.upload.to_string(),
        _ => return None,
    })
}

fn or(none: &str, value: Option<impl fmt::Display>) -> String {
    value.map_or_else(|| none.to_owned(), |value| value.to_string())
}

/// What the SOCKS5 proxy asks of its clients.
fn socks5(config: &Config) -> Vec<String> {
    let rules = &config.socks5_rules;
    let login = rules.login.as_ref().map(|_| "password".to_owned());
    let allow = rules.allow.iter().flatten();
    login
        .into_iter()
        .chain(allow.map(|entry| format!("allow {entry}")))
        .collect()
}

/// A forward's name and its options that are set.
fn details(forward: &Forward) -> Vec<String> {
    let options = &forward.options;
    let access = &options.socket;
    let mut details = Vec::new();
    let mut add = |what: &str, value: Option<String>| {
        details.extend(value.map(|value| format!("{what} {value}")));
    };
    let time = |time: Duration| AnyDuration(time).to_string();
    let text = |value: &dyn fmt::Display| value.to_string();
    add("name", forward.name.clone());
    add("max_connections", options.max_connections.map(|n| text(&n)));
    add("dial_timeout", options.dial_timeout.map(time));
    add("idle_timeout", options.idle_timeout.map(time));
    let most = options.peer_connections;
    add("peer_connections", most.map(|n| text(&n)));
    let most = options.peer_connections_per_second;
    add("peer_connections_per_second", most.map(|n| text(&n)));
    let version = options.proxy_protocol.map(|version| version.as_str());
    add("proxy_protocol", version.map(str::to_owned));
    let mode = (access.mode != SocketAccess::default().mode).then_some(access.mode);
    add("mode", mode.map(|mode| format!("{mode:04o}")));
    add("owner", access.owner.as_ref().map(|owner| text(owner)));
    add("group", access.group.as_ref().map(|group| text(group)));
    for entry in &options.allow {
        add("allow", Some(text(entry)));
    }
    details
}
