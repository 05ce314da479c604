//! One `[[expose]]` or `[[connect]]` of the file, to a forward or one for each port of a range.

use super::keys::{Keys, Notes};
use super::{CONNECT, EXPOSE};
use crate::config::address::TargetText;
use crate::config::allow::Allow;
use crate::config::connection_count::{self, ConnectionCount};
use crate::config::duration::{self, AnyDuration, PositiveDuration};
use crate::config::forward::{Forward, ForwardOptions, ProxyProtocol};
use crate::config::forward_text::{ForwardError, Targets, forwards as expand};
use crate::config::listen::{Listen, ListenText, LocalText, Protocol, TailnetText};
use crate::config::socket_access::{ACCOUNT_RULE, MODE_RULE, SocketAccess, mode};

const KEYS: [&str; 14] = [
    "name",
    "listen",
    "target",
    "protocol",
    "max_connections",
    "dial_timeout",
    "idle_timeout",
    "allow",
    "peer_connections",
    "peer_connections_per_second",
    "proxy_protocol",
    "mode",
    "owner",
    "group",
];

/// The most entries of an allow list: each is compared for each connection.
const MOST_ALLOWED: usize = 1024;

const NAME_RULE: &str = "1 to 63 letters, digits, dots, hyphens and underscores";
const EXPOSE_LISTEN_RULE: &str =
    "PORT, PORT/udp, PORT/tls, a range or svc:NAME:PORT; without it the target's own port";
const CONNECT_LISTEN_RULE: &str =
    "PORT (on 127.0.0.1), ADDRESS:PORT, either with /udp or a range, or unix:/PATH";
const TARGET_RULE: &str = "HOST:PORT, or unix:/PATH for an expose, or a list of them";
const PROXY_RULE: &str = "v1 or v2";

/// The forwards of a table; none when it is wrong in something, which is noted.
pub(super) fn forwards(keys: &Keys<'_, '_>, notes: &mut Notes<'_>) -> Vec<Forward> {
    keys.only(&KEYS, notes);
    let name = keys.read_with("name", NAME_RULE, notes, name);
    let listen = listen(keys, notes);
    let protocol = keys.read("protocol", Protocol::RULE, notes);
    let targets = targets(keys, notes);
    let options = options(keys, notes);
    let (Some(listen), Some(targets)) = (listen, targets) else {
        return Vec::new();
    };
    let listen = match listen {
        Some(listen) => Ok(listen),
        None => targets.own_ports(),
    };
    let mut made = match listen.and_then(|listen| expand(listen, protocol, targets)) {
        Ok(made) => made,
        Err(why) => {
            notes.note(keys.line, keys.name, why);
            return Vec::new();
        }
    };
    let several = made.len() > 1;
    for forward in &mut made {
        forward.name = name.as_ref().map(|name| match forward.listen {
            Listen::Tailnet { port, .. } | Listen::Service { port, .. } if several => {
                format!("{name}-{port}")
            }
            Listen::Local { address, .. } if several => format!("{name}-{}", address.port()),
            _ => name.clone(),
        });
        forward.options = options.clone();
    }
    if let Some(forward) = made.first() {
        contradictions(keys, forward, notes);
    }
    made
}

/// The name if it can stand in a log as it is.
fn name(text: &str) -> Result<String, &'static str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    match text.len() <= 63 && text.bytes().all(plain) {
        true => Ok(text.to_owned()),
        false => Err("is no plain name"),
    }
}

/// `None` when it is wrong or missing, which is noted, `Some(None)` when it may be missing.
fn listen(keys: &Keys<'_, '_>, notes: &mut Notes<'_>) -> Option<Option<ListenText>> {
    let given = keys.find("listen", notes).is_some();
    if keys.name == EXPOSE {
        let read = keys.read("listen", EXPOSE_LISTEN_RULE, notes);
        return match read {
            Some(TailnetText(listen)) => Some(Some(listen)),
            None => (!given).then_some(None),
        };
    }
    if !given {
        let key = keys.path("listen");
        notes.refuse(keys.line, &key, "is missing", CONNECT_LISTEN_RULE);
    }
    let LocalText(listen) = keys.read("listen", CONNECT_LISTEN_RULE, notes)?;
    Some(Some(listen))
}

fn targets(keys: &Keys<'_, '_>, notes: &mut Notes<'_>) -> Option<Targets> {
    let read = |text: &str| match text.parse::<Targets>() {
        Ok(Targets(targets)) => Ok(targets),
        // The key says already that it is a target.
        Err(ForwardError::Target(error)) => Err(error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let key = keys.path("target");
    let Some(read) = keys.list("target", TARGET_RULE, notes, read) else {
        notes.refuse(keys.line, &key, "is missing", TARGET_RULE);
        return None;
    };
    let targets: Vec<TargetText> = read.into_iter().flatten().collect();
    if targets.len() > Forward::MOST_TARGETS {
        notes.refuse(keys.line, &key, ForwardError::TooManyTargets, TARGET_RULE);
        return None;
    }
    Some(Targets(targets)).filter(|Targets(targets)| !targets.is_empty())
}

fn options(keys: &Keys<'_, '_>, notes: &mut Notes<'_>) -> ForwardOptions {
    let proxy_protocol = |text: &str| match text {
        "v1" | "1" => Ok(ProxyProtocol::V1),
        "v2" | "2" => Ok(ProxyProtocol::V2),
        _ => Err("is no version of the PROXY protocol"),
    };
    let mut count = |key| {
        let read = keys.read(key, connection_count::RULE, notes);
        read.map(|ConnectionCount(count)| count)
    };
    let max_connections = count("max_connections");
    let peer_connections = count("peer_connections");
    let peer_connections_per_second = count("peer_connections_per_second");
    let dial = keys.read("dial_timeout", duration::MORE_THAN_ZERO, notes);
    let idle = keys.read("idle_timeout", duration::ZERO_OR_MORE, notes);
    let allow: Option<Vec<Allow>> = keys.list("allow", Allow::RULE, notes, str::parse);
    if let Some((line, _)) = keys.find("allow", notes)
        && allow
            .as_ref()
            .is_some_and(|allow| allow.len() > MOST_ALLOWED)
    {
        let why = format!("has more than {MOST_ALLOWED} entries: allow a tag or a range");
        notes.note(line, &keys.path("allow"), why);
    }
    let mode = keys.read_with("mode", MODE_RULE, notes, mode);
    ForwardOptions {
        max_connections,
        dial_timeout: dial.map(|PositiveDuration(time)| time),
        idle_timeout: idle.map(|AnyDuration(time)| time),
        allow: allow.unwrap_or_default(),
        peer_connections,
        peer_connections_per_second,
        proxy_protocol: keys.read_with("proxy_protocol", PROXY_RULE, notes, proxy_protocol),
        socket: SocketAccess {
            mode: mode.unwrap_or(SocketAccess::default().mode),
            owner: keys.read("owner", ACCOUNT_RULE, notes),
            group: keys.read("group", ACCOUNT_RULE, notes),
        },
    }
}

/// Notes the options that do not fit the forward.
fn contradictions(keys: &Keys<'_, '_>, forward: &Forward, notes: &mut Notes<'_>) {
    let on_socket = matches!(forward.listen, Listen::Unix(_));
    let mut only = |key: &str, fits: bool, why: &str| {
        if let Some((line, _)) = keys.find(key, notes).filter(|_| !fits) {
            notes.note(line, &keys.path(key), why);
        }
    };
    for key in ["mode", "owner", "group"] {
        only(
            key,
            on_socket,
            "is only for a connect that listens on unix:/PATH",
        );
    }
    let tailnet_only =
        "is only for an expose: who may use a port of this machine, the machine says";
    only("allow", keys.name != CONNECT, tailnet_only);
    for key in ["peer_connections", "peer_connections_per_second"] {
        only(key, keys.name != CONNECT, "is only for an expose");
    }
    let udp = forward.protocol() == Protocol::Udp;
    only("proxy_protocol", !udp, "is not for udp");
}

#[cfg(test)]
mod tests;
