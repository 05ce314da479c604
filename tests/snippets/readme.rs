//! The README's way in, and what the reference shows.

use std::fs;
use std::process::Command;

use crate::documents::{block, codes, documents};
use crate::machine::Machine;
use crate::support::settings::Settings;

#[test]
#[ignore = "needs root and network namespaces: make interop"]
fn hosts_are_exposed_and_reached() {
    let machine = Machine::new();
    let desktop = machine.listen("192.168.1.50:3389");
    let ssh = machine.listen("127.0.0.1:22");

    let beside = machine.account();
    let mut office = beside.paste_and_type(&block("README.md", "make build"), machine.key());
    let ready = office.ready();
    assert_eq!(ready.hostname, "office-pc");
    assert_eq!(ready.forwards[0].target, "192.168.1.50:3389");

    let server = machine.account();
    fs::copy(beside.path("authkey"), server.path("authkey")).unwrap();
    let expose = block("README.md", "./target/release/tailport --hostname my-host");
    let mut host = server.paste(&expose);
    assert_eq!(host.ready().hostname, "my-host");

    let client = machine.account();
    fs::copy(beside.path("authkey"), client.path("authkey")).unwrap();
    let connect = block(
        "README.md",
        "./target/release/tailport --hostname my-laptop",
    );
    let mut laptop = client.paste(&connect);
    laptop.ready();
    machine.leads("127.0.0.1:33389", &desktop);
    machine.leads("127.0.0.1:2222", &ssh);

    laptop.stop();
    // The key is not needed any more.
    fs::remove_file(server.path("authkey")).unwrap();
    host.stop();
    let keyless = expose.replace("--authkey-file authkey ", "");
    assert_ne!(keyless, expose);
    server.paste(&keyless).ready();
    office.stop();
}

#[test]
fn a_mistake_is_shown_with_file_line_and_key() {
    let shown = block("docs/configuration.md", "tailport.toml:12:");
    let settings = Settings::bare().arguments(&["--config", "tailport.toml", "check"]);
    let home = settings.directory().path().to_owned();
    let lines = "\n".repeat(10);
    let text = format!("{lines}[[expose]]\nlisen = 22\ntarget = 'host:22'\n");
    fs::write(home.join("tailport.toml"), text).unwrap();
    let said = settings.command().current_dir(&home).output().unwrap();
    assert_eq!(said.status.code(), Some(64));
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(said.lines().any(|line| line == shown.trim_end()), "{said}");
}

/// What the documents have as `expose …` and `connect …` within a line, with or without flags.
#[test]
fn every_forward_within_a_line_is_one() {
    let mut read = 0;
    for document in documents() {
        for code in codes(&document) {
            let words = code.strip_prefix("tailport ").unwrap_or(&code);
            let is_forward = ["expose ", "connect ", "--hostname "];
            let is_forward = is_forward.iter().any(|begin| words.starts_with(begin));
            // Names in capitals stand for something.
            let is_form = words.contains("HOST") || words.contains("PORT");
            if !is_forward || is_form {
                continue;
            }
            // A shell makes the words; a key that is not there ends the start before any socket.
            let command = "exec \"$0\" --authkey-file /nowhere ";
            let said = Command::new("sh")
                .args(["-c", &format!("{command}{words}")])
                .arg(env!("CARGO_BIN_EXE_tailport"))
                .env_clear()
                .env("HOME", "/nowhere")
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&said.stderr).into_owned();
            let mut mistakes = said.lines().take_while(|line| !line.starts_with("ERROR "));
            let first = mistakes.next().unwrap_or_default();
            assert!(first.contains("(TS_AUTHKEY_FILE)"), "{code}: {said}");
            assert_eq!(mistakes.next(), None, "{document}: {code}");
            read += 1;
        }
    }
    assert!(read > 10, "{read}");
}
