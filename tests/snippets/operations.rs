//! Looking at a running node and asking it, as docs/operations.md says.

use std::fs;

use serde_json::Value;

use crate::documents::{block, blocks, documents, table};
use crate::machine::Machine;
use crate::support::home::Home;
use crate::support::unpacked;

const OPERATIONS: &str = "docs/operations.md";

#[test]
#[ignore = "needs root and network namespaces: make interop"]
fn a_running_node_is_asked() {
    let machine = Machine::new();
    let peer = machine.account().with_key().set("TS_HOSTNAME", "my-host");
    let mut peer = peer.paste("tailport expose 22");
    peer.ready();
    let account = machine.account().with_key().set("TS_EXPOSE", "80");
    let mut node = account.paste("tailport");
    node.ready();

    let asked = account.run(&block(OPERATIONS, "curl --unix-socket"));
    let status: Value = serde_json::from_str(&asked).unwrap();
    assert_eq!(status["ready"], true, "{status}");

    // The verbs in their order; logging out ends the node.
    let said = [
        ("tailport status", "tailport is ready"),
        ("tailport peers", "my-host"),
        ("tailport ping HOST", "my-host"),
        ("tailport reload", "nothing to change"),
        ("tailport logout", ""),
        ("tailport completions bash", "complete -F _tailport"),
        ("tailport man", ".TH tailport 1"),
    ];
    let verbs = table(OPERATIONS, "Command");
    assert_eq!(verbs.len(), said.len(), "{verbs:?}");
    for (verb, (expected, answer)) in verbs.iter().zip(said) {
        assert_eq!(verb[0], expected);
        let answered = account.run(&verb[0].replace("HOST", "my-host"));
        assert!(answered.contains(answer), "{expected}: {answered}");
    }
    node.ended(0);
    peer.stop();
}

#[test]
#[ignore = "needs root and network namespaces: make interop"]
fn completions_and_the_manual_page_are_put() {
    let machine = Machine::new();
    let account = machine.account();
    // The variable is zsh's, whose lists begin with 1; bash counts from 0.
    let zsh = "mkdir zsh; fpath=(none \"$HOME/zsh\")\n";
    account.run(&format!("{zsh}{}", block(OPERATIONS, "mkdir -p")));
    for (path, within) in [
        (
            ".local/share/bash-completion/completions/tailport",
            "complete -F",
        ),
        ("zsh/_tailport", "#compdef tailport"),
        (
            ".config/fish/completions/tailport.fish",
            "complete -c tailport",
        ),
        (".local/share/man/man1/tailport.1", ".TH tailport 1"),
    ] {
        let text = fs::read_to_string(account.path(path)).unwrap();
        assert!(text.contains(within), "{path}: {text}");
    }
}

#[test]
#[ignore = "needs prometheus: make interop"]
fn prometheus_takes_every_scrape_configuration() {
    let home = Home::new();
    let path = home.path().join("prometheus.yml");
    let mut taken = 0;
    for block in documents().iter().flat_map(|name| blocks(name)) {
        if block.text.starts_with("scrape_configs:") {
            // Debian builds Prometheus without Kubernetes' discovery.
            let known = block.text.replace(
                "kubernetes_sd_configs:\n      - role: pod\n",
                "static_configs:\n      - targets: [\"127.0.0.1:9100\"]\n",
            );
            fs::write(&path, known).unwrap();
            let mut promtool = unpacked::program("usr/bin/promtool");
            let said = promtool.args(["check", "config"]).arg(&path).output();
            let said = said.unwrap();
            assert!(said.status.success(), "{block}: {said:?}");
            taken += 1;
        }
    }
    assert!(taken > 0);
}
