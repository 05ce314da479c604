//! Answers for people, in 80 columns. What comes from elsewhere is shown without what a
//! terminal would obey.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use humantime::format_rfc3339_seconds;

use super::paint::{Paint, Tone};
use crate::admin::{ForwardReport, NodeStatus, Peer, Phase, Pong, Report};

/// The width of every answer.
const WIDTH: usize = 80;

/// How the program is.
pub(super) fn status(report: &Report, paint: Paint) -> String {
    let mut text = String::new();
    let node = &report.node;
    let name = line(&node.hostname);
    let _ = match report.ready {
        true => writeln!(text, "{name} is {}", paint.text(Tone::Good, "ready")),
        false => writeln!(text, "{name} is {}", paint.text(Tone::Bad, "not ready")),
    };
    for reason in &report.reasons {
        wrapped(&mut text, "  - ", &reason.text);
    }
    if let Some(url) = &node.login_url {
        // On a line of its own and whole, so that it can be copied.
        let _ = writeln!(text, "  log in at  {}", line(url));
    }
    facts(&mut text, report, node);
    if !report.forwards.is_empty() {
        forwards(&mut text, &report.forwards, paint);
    }
    if !node.health.is_empty() {
        let _ = writeln!(text, "\n{}", paint.text(Tone::Heading, "HEALTH"));
        for warning in &node.health {
            wrapped(&mut text, "  - ", &warning.text);
        }
    }
    text
}

fn facts(text: &mut String, report: &Report, node: &NodeStatus) {
    let mut fact = |name: &str, value: String| wrapped(text, &format!("  {name:<10} "), &value);
    if let Some(full) = &node.dns_name {
        fact("name", full.clone());
    }
    if !node.addresses.is_empty() {
        let all: Vec<_> = node.addresses.iter().map(ToString::to_string).collect();
        fact("addresses", all.join(" "));
    }
    if node.phase != Phase::Starting {
        fact("state", node.state.clone());
        fact("key", key(node, SystemTime::now()));
    }
    fact("up", span(Duration::from_secs(report.uptime_seconds)));
    fact("version", report.version.clone());
    let all = &report.connections;
    let refused = match all.refused {
        0 => String::new(),
        refused => format!(", {refused} refused"),
    };
    fact(
        "open",
        format!(
            "{} of {} connections, {} so far{refused}",
            all.active, all.limit, all.accepted
        ),
    );
}

fn key(node: &NodeStatus, now: SystemTime) -> String {
    match node.key_expiry {
        _ if node.key_expired => "expired".to_owned(),
        None => "does not expire".to_owned(),
        Some(at) => {
            let left = at.duration_since(now).unwrap_or_default();
            format!("expires {} (in {})", format_rfc3339_seconds(at), span(left))
        }
    }
}

fn forwards(text: &mut String, forwards: &[ForwardReport], paint: Paint) {
    let heading = format!(
        "{:<26} {:<21} {:>5} {:>7} {:>8} {:>8}",
        "FORWARD", "TARGET", "OPEN", "SO FAR", "SENT", "RECEIVED"
    );
    let _ = writeln!(text, "\n{}", paint.text(Tone::Heading, heading));
    for forward in forwards {
        let _ = writeln!(
            text,
            "{:<26} {:<21} {:>5} {:>7} {:>8} {:>8}",
            cut(&forward.name, 26),
            cut(&forward.target, 21),
            forward.active,
            forward.accepted,
            bytes(forward.to_target_bytes),
            bytes(forward.to_peer_bytes),
        );
        let troubles = [
            (forward.refused, "refused"),
            (forward.denied, "denied"),
            (forward.dial_failed, "dials failed"),
        ];
        let troubles = troubles.iter().filter(|(count, _)| *count > 0);
        let troubles: Vec<_> = troubles
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if !troubles.is_empty() {
            let _ = writeln!(text, "  {}", paint.text(Tone::Bad, troubles.join(", ")));
        }
    }
}

/// Who is on the tailnet.
pub(super) fn peers(peers: &[Peer], paint: Paint) -> String {
    if peers.is_empty() {
        return "this node sees no peers: the tailnet's access rules may hide them\n".to_owned();
    }
    let mut text = String::new();
    let heading = format!("{:<24} {:<15} {:<24} {}", "NAME", "ADDRESS", "OF", "SEEN");
    let _ = writeln!(text, "{}", paint.text(Tone::Heading, heading));
    for peer in peers {
        let address = peer
            .addresses
            .iter()
            .min_by_key(|address| address.is_ipv6());
        let address = address.map(ToString::to_string).unwrap_or_default();
        let of = peer.user.clone().unwrap_or_else(|| peer.tags.join(" "));
        let (name, of) = (cut(&peer.name, 24), cut(&of, 24));
        let _ = write!(text, "{name:<24} {:<15} {of:<24} ", cut(&address, 15));
        let ago = peer.last_seen.and_then(|seen| seen.elapsed().ok());
        let _ = match (peer.online, ago) {
            (true, _) => writeln!(text, "{}", paint.text(Tone::Good, "online")),
            (false, Some(ago)) => {
                writeln!(
                    text,
                    "{}",
                    paint.text(Tone::Quiet, format!("{} ago", span(ago)))
                )
            }
            (false, None) => writeln!(text, "{}", paint.text(Tone::Quiet, "offline")),
        };
    }
    text
}

/// A probe's answer.
pub(super) fn pong(pong: &Pong) -> String {
    let way = if pong.direct {
        "directly, at"
    } else {
        "through"
    };
    let via = line(&pong.via);
    let (name, milliseconds) = (line(&pong.name), pong.milliseconds);
    format!(
        "{name} ({}) answers in {milliseconds:.1} ms, {way} {via}\n",
        pong.address
    )
}

/// A text on one line, without what a terminal would obey.
pub(super) fn line(text: &str) -> String {
    let plain = |character: char| {
        if character.is_control() {
            ' '
        } else {
            character
        }
    };
    text.chars().map(plain).collect()
}

/// At most this many characters, the last one an ellipsis when there were more.
fn cut(text: &str, most: usize) -> String {
    let text = line(text);
    if text.chars().count() <= most {
        return text;
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

/// Words on lines that are no longer than the width, unless a word is; the first one begins
/// with `lead`, the others as far to the right.
fn wrapped(text: &mut String, lead: &str, words: &str) {
    let indent = lead.chars().count();
    let mut at = indent;
    text.push_str(lead);
    for word in line(words).split_whitespace() {
        let length = word.chars().count();
        if at > indent && at + 1 + length > WIDTH {
            let _ = write!(text, "\n{:indent$}", "");
            at = indent;
        } else if at > indent {
            text.push(' ');
            at += 1;
        }
        text.push_str(word);
        at += length;
    }
    text.push('\n');
}

/// A number of bytes in at most eight characters.
fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while value >= 999.95 && units.len() > 0 {
        value /= 1024.0;
        unit = units.next();
    }
    format!("{value:.1}{}", unit.unwrap_or(&""))
}

/// A time span by its two largest units.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

#[cfg(test)]
mod tests;
