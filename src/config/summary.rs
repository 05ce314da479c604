//! The settings in effect, as `tailport check` prints them.

use std::fmt;
use std::time::Duration;

use super::Config;
use super::duration::AnyDuration;
use super::secret::REDACTED;

/// Shows a configuration, one setting a line, without any secret. The names are those of the
/// variables.
#[derive(Clone, Copy, Debug)]
pub struct Summary<'a>(pub(super) &'a Config);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Config {
            node,
            forwards,
            timeouts,
            max_connections,
            memory_limit,
            admin,
            socks5,
            log,
            file,
        } = self.0;
        let mut line = |name: &str, value: &dyn fmt::Display| writeln!(f, "{name:<18} {value}");
        match file {
            Some(path) => line("TS_CONFIG", &path.display())?,
            None => line("TS_CONFIG", &"none")?,
        }
        line(
            "TS_AUTHKEY",
            if node.auth_key.is_some() {
                &REDACTED
            } else {
                &"none"
            },
        )?;
        line(
            "TS_CLIENT_SECRET",
            if node.client_secret.is_some() {
                &REDACTED
            } else {
                &"none"
            },
        )?;
        let tags: Vec<&str> = node.tags.iter().map(super::Tag::as_str).collect();
        match tags.as_slice() {
            [] => line("TS_TAGS", &"none")?,
            tags => line("TS_TAGS", &tags.join(","))?,
        }
        match &node.control_url {
            Some(url) => line("TS_CONTROL_URL", url)?,
            None => line("TS_CONTROL_URL", &"Tailscale's")?,
        }
        line("TS_HOSTNAME", &node.hostname)?;
        line("TS_STATE_DIR", &node.state_dir.display())?;
        line("TS_EPHEMERAL", &node.ephemeral)?;
        for (name, limit) in [
            ("TS_TIMEOUT", Some(timeouts.start)),
            ("TS_LOGIN_TIMEOUT", Some(timeouts.login)),
            ("TS_DIAL_TIMEOUT", Some(timeouts.dial)),
            ("TS_IDLE_TIMEOUT", timeouts.idle),
            ("TS_DRAIN_TIMEOUT", Some(timeouts.drain)),
            ("TS_KEEPALIVE", timeouts.keepalive),
        ] {
            line(name, &AnyDuration(limit.unwrap_or(Duration::ZERO)))?;
        }
        line("TS_MAX_CONNECTIONS", max_connections)?;
        line("TS_MEMORY_LIMIT", memory_limit)?;
        match admin {
            Some(address) => line("TS_ADMIN_ADDR", address)?,
            None => line("TS_ADMIN_ADDR", &"off")?,
        }
        match socks5 {
            Some(address) => line("TS_SOCKS5_ADDR", address)?,
            None => line("TS_SOCKS5_ADDR", &"off")?,
        }
        line("TS_LOG", &log.filter.as_str())?;
        line("TS_LOG_FORMAT", &log.format.as_str())?;
        line("TS_LOG_UPLOAD", &log.upload)?;
        for forward in forwards {
            line(
                forward.kind(),
                &format_args!("{} to {}", forward.listen, forward.target()),
            )?;
        }
        Ok(())
    }
}
