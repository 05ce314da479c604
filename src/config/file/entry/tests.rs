//! Tests of the options of a forward.

use super::*;
use crate::config::file::File;

/// The first forward of a good file.
#[track_caller]
fn forward(text: &str) -> Forward {
    let mut file = File::parse(text, "f.toml", true);
    assert_eq!(file.mistakes, [], "{text}");
    file.forwards.remove(0).1
}

/// The one mistake of a text.
#[track_caller]
fn mistake(text: &str) -> String {
    let found = File::parse(text, "f.toml", true).mistakes;
    assert_eq!(found.len(), 1, "{text}: {found:#?}");
    found[0].to_string()
}

#[test]
fn every_option_of_a_forward_takes_effect() {
    let expose = forward(
        "[[expose]]\nname = 'web'\nlisten = '443/tls'\ntarget = 'unix:/run/app.sock'\n\
         max_connections = 5\ndial_timeout = '2s'\nidle_timeout = '1h'\n\
         allow = ['alice@example.com', 'tag:ops', '100.64.0.0/10']\nproxy_protocol = 'v2'\n",
    );
    assert_eq!(expose.name.as_deref(), Some("web"));
    assert_eq!(expose.protocol(), Protocol::Tls);
    let options = &expose.options;
    assert_eq!(options.max_connections.unwrap().get(), 5);
    assert_eq!(options.dial_timeout.unwrap().as_secs(), 2);
    assert_eq!(options.idle_timeout.unwrap().as_secs(), 3600);
    let allow: Vec<_> = options.allow.iter().map(ToString::to_string).collect();
    assert_eq!(allow, ["alice@example.com", "tag:ops", "100.64.0.0/10"]);
    assert_eq!(options.proxy_protocol.unwrap().as_str(), "v2");
    let socket = "[[connect]]\nlisten = 'unix:/run/a'\ntarget = 'b:1'\n";
    assert_eq!(forward(socket).options.socket.mode, 0o600);
    for mode in ["'0660'", "0o660", "660"] {
        let made = forward(&format!(
            "{socket}mode = {mode}\nowner = 'app'\ngroup = 33\n"
        ));
        let access = made.options.socket;
        assert_eq!(access.mode, 0o660, "{mode}");
        assert_eq!(access.owner.unwrap().to_string(), "app");
        assert_eq!(access.group.unwrap().to_string(), "33");
    }
}

#[test]
fn contradictions_of_a_forward_are_named_by_their_keys() {
    let expose = "[[expose]]\ntarget = 'a:1'\n";
    let connect = "[[connect]]\nlisten = 1\ntarget = 'a:1'\n";
    for (text, wanted) in [
        (
            format!("{expose}mode = '0600'"),
            "f.toml:3: expose.mode: is only for a connect",
        ),
        (
            format!("{connect}group = 'x'"),
            "f.toml:4: connect.group: is only for a connect",
        ),
        (
            format!("{connect}allow = 'tag:a'"),
            "f.toml:4: connect.allow: is only for an expose",
        ),
        (
            format!("{connect}protocol = 'tls'"),
            "f.toml:1: connect: /tls is for an expose",
        ),
        (
            format!("{expose}protocol = 'udp'\nproxy_protocol = 1"),
            "f.toml:4: expose.proxy_protocol: is not for udp",
        ),
        (
            format!("{expose}listen = '1/udp'\nprotocol = 'tcp'"),
            "f.toml:1: expose: the protocol and the listening side contradict",
        ),
        (
            format!("{expose}listen = '1-3'"),
            "f.toml:1: expose: listens on 3 ports",
        ),
    ] {
        let found = mistake(&text);
        assert!(found.starts_with(wanted), "{found}");
    }
}

#[test]
fn an_allow_list_and_a_list_of_targets_have_an_end() {
    let allow = |count| vec!["'tag:a'"; count].join(", ");
    let text = |count| format!("[[expose]]\ntarget = 'a:1'\nallow = [{}]", allow(count));
    assert_eq!(forward(&text(1024)).options.allow.len(), 1024);
    assert!(mistake(&text(1025)).contains("has more than 1024 entries"));
    let targets = vec!["'a:1'"; 17].join(", ");
    let found = mistake(&format!("[[expose]]\nlisten = 1\ntarget = [{targets}]"));
    assert!(found.contains("has more than 16 targets"), "{found}");
}
