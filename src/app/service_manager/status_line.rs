//! What `systemctl status` shows of the program: one line.

use crate::admin::{NodeStatus, Phase};

/// The longest line, in bytes: a whole notification has at most 4096.
const LONGEST: usize = 1024;

/// How things are: the node, how many forwards there are and connections on them, and why
/// the last reload was refused, if it was.
pub(super) fn of(
    node: &NodeStatus,
    forwards: usize,
    connections: u64,
    refused: Option<&str>,
) -> String {
    let line = match node.phase {
        Phase::Starting => match why_not(node) {
            why if why.is_empty() => "starting".to_owned(),
            why => format!("starting: {why}"),
        },
        Phase::Serving if node.ready() => ready(node, forwards, connections),
        Phase::Serving => format!("not ready: {}", why_not(node)),
        Phase::Stopping => stopping(connections),
    };
    match refused {
        Some(why) if node.phase == Phase::Serving => {
            clean(&format!("{line}; the last reload changed nothing: {why}"))
        }
        _ => clean(&line),
    }
}

/// The end, with this many connections still open.
pub(super) fn stopping(connections: u64) -> String {
    match connections {
        0 => "stopping".to_owned(),
        left => format!("draining, {} left", count(left, "connection")),
    }
}

fn ready(node: &NodeStatus, forwards: usize, connections: u64) -> String {
    let name = node.dns_name.as_deref().unwrap_or(&node.hostname);
    let addresses: Vec<String> = node.addresses.iter().map(ToString::to_string).collect();
    format!(
        "ready as {} ({}), {}, {}",
        name.trim_end_matches('.'),
        addresses.join(", "),
        count(forwards as u64, "forward"),
        count(connections, "connection")
    )
}

/// What keeps the node from being ready, in full: where to log it in is not left out.
fn why_not(node: &NodeStatus) -> String {
    let reasons = node.reasons().into_iter().filter_map(|reason| {
        match (reason.code.as_str(), &node.login_url) {
            ("starting", _) => None,
            ("login_needed", Some(url)) => Some(format!("visit {url} to log this node in")),
            _ => Some(reason.text),
        }
    });
    reasons.collect::<Vec<_>>().join("; ")
}

fn count(number: u64, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        many => format!("{many} {what}s"),
    }
}

/// A text as one line that is not too long: a line break would begin another word.
pub(super) fn clean(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|character| match character.is_control() {
            true => ' ',
            false => character,
        })
        .collect();
    line[..line.floor_char_boundary(LONGEST)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{NEEDS_APPROVAL, RUNNING};

    fn line(node: &NodeStatus) -> String {
        of(node, 2, 1, None)
    }

    fn serving() -> NodeStatus {
        let mut node = NodeStatus {
            phase: Phase::Serving,
            hostname: "web".to_owned(),
            dns_name: Some("web.tail.example.".to_owned()),
            addresses: vec!["100.64.0.1".parse().unwrap(), "fd7a::1".parse().unwrap()],
            ..NodeStatus::default()
        };
        node.enter(RUNNING);
        node
    }

    #[test]
    fn a_start_says_what_it_waits_for() {
        let mut node = NodeStatus::default();
        assert_eq!(line(&node), "starting");
        node.waiting = Some("connection refused".to_owned());
        assert_eq!(
            line(&node),
            "starting: the control server cannot be asked yet: connection refused"
        );
        node.ask_for_login("https://login.example/a");
        assert_eq!(
            line(&node),
            "starting: visit https://login.example/a to log this node in"
        );
        let mut node = NodeStatus::default();
        node.enter(NEEDS_APPROVAL);
        assert_eq!(line(&node), "starting: an admin must approve this node");
    }

    #[test]
    fn a_node_that_serves_says_who_and_where_it_is() {
        let mut node = serving();
        assert_eq!(
            line(&node),
            "ready as web.tail.example (100.64.0.1, fd7a::1), 2 forwards, 1 connection"
        );
        let after = of(&node, 1, 0, Some("t.toml:3: expose.target: missing\nmore"));
        assert!(
            after.ends_with(
                "; the last reload changed nothing: t.toml:3: expose.target: missing more"
            ),
            "{after}"
        );
        node.key_expired = true;
        assert_eq!(
            line(&node),
            "not ready: the node's key has expired; an admin can extend it"
        );
    }

    #[test]
    fn the_end_counts_what_is_left() {
        assert_eq!(stopping(2), "draining, 2 connections left");
        assert_eq!(stopping(0), "stopping");
    }

    #[test]
    fn no_text_becomes_two_words_or_too_long_a_message() {
        assert_eq!(clean("a\nREADY=1\r"), "a READY=1 ");
        let long = clean(&"é".repeat(LONGEST));
        assert_eq!(long.len(), LONGEST);
        assert!(long.chars().all(|character| character == 'é'));
    }
}
