//! How each block of the documents is run. A block that is not in the list fails, and so does
//! an entry that no block or no test is left of.

use std::process::Command;

use crate::documents::{self, Block};
use crate::support::settings::Settings;

/// What shows that a block is true.
enum By {
    /// `.ci/run` has the same lines.
    Ci,
    /// A test by its file and its name there, or a script's function. It takes the block's text
    /// from the document, or the file that the block speaks of.
    Test(&'static str, &'static str),
    /// `tailport check`, which takes it as a file without a warning.
    Check,
}
use By::{Check, Ci, Test};

const README: &str = "tests/snippets/readme.rs";
const FORWARDS: &str = "tests/snippets/forwards.rs";
const OPERATIONS: &str = "tests/snippets/operations.rs";
const RUNBOOK: &str = "tests/snippets/runbook.rs";
const PROMETHEUS: &str = "tests/interop/prometheus.rs";
const INSTALLED: &str = "tests/libtailscale/installed.rs";
const CRATE: &str = "tests/libtailscale/crate_client.rs";
const UNITS: &str = "tests/systemd/units.rs";
const SYSTEMD: &str = "tests/systemd/pasted.rs";
const CONTAINER: &str = "tests/container/pasted.rs";
const COMPOSE: &str = "tests/container/compose.rs";
const KUBERNETES: &str = "tests/kubernetes/commands.rs";
const PACKAGE: &str = "tests/package.sh";

/// The document, how the block begins (an entry may hold for several), and how it is run.
#[rustfmt::skip] // One line for each.
const TABLE: &[(&str, &str, By)] = &[
    ("README.md", "make demo", Ci),
    ("README.md", "make test", Ci),
    ("README.md", "make build", Test(README, "hosts_are_exposed_and_reached")),
    ("README.md", "./target/release/tailport --hostname my-host", Test(README, "hosts_are_exposed_and_reached")),
    ("README.md", "./target/release/tailport --hostname my-laptop", Test(README, "hosts_are_exposed_and_reached")),
    ("docs/configuration.md", "tailport.toml:12:", Test(README, "a_mistake_is_shown_with_file_line_and_key")),
    ("docs/containers.md", "docker build -f", Test(CONTAINER, "the_image_is_built_in_each_way")),
    ("docs/containers.md", "podman build", Test(CONTAINER, "the_image_is_built_in_each_way")),
    ("docs/containers.md", "make rootfs", Test(CONTAINER, "the_image_is_built_in_each_way")),
    ("docs/containers.md", "docker run --detach", Test(CONTAINER, "a_container_is_run_asked_and_stopped")),
    ("docs/containers.md", "(umask 077; cat > deploy", Test(COMPOSE, "the_documents_commands_are_for_this_file")),
    ("docs/containers.md", "sudo chown 65532 authkey", Test(CONTAINER, "a_container_is_run_asked_and_stopped")),
    ("docs/containers.md", "sudo install -d -o 65532", Test(CONTAINER, "the_state_can_be_a_directory_of_the_host")),
    ("docs/containers.md", "docker inspect", Test(CONTAINER, "a_container_is_run_asked_and_stopped")),
    ("docs/containers.md", "podman unshare", Test(CONTAINER, "without_root_the_engine_gives_a_file_to_the_user")),
    ("docs/kubernetes.md", "(umask 077; cat > authkey)", Test(KUBERNETES, "the_documents_commands_name_what_the_manifests_have")),
    ("docs/kubernetes.md", "kubectl create secret generic web-authkey", Test(KUBERNETES, "the_documents_commands_name_what_the_manifests_have")),
    ("docs/kubernetes.md", "scrape_configs:", Test(OPERATIONS, "prometheus_takes_every_scrape_configuration")),
    ("docs/operations.md", "mkdir -p", Test(OPERATIONS, "completions_and_the_manual_page_are_put")),
    ("docs/operations.md", "curl --unix-socket", Test(OPERATIONS, "a_running_node_is_asked")),
    ("docs/operations.md", "scrape_configs:", Test(PROMETHEUS, "prometheus_stores_what_happened")),
    ("docs/packages.md", "sha256sum --check", Test(PACKAGE, "pasted")),
    ("docs/packages.md", "tar -xzf", Test(PACKAGE, "pasted")),
    ("docs/packages.md", "tailport check", Test(PACKAGE, "pasted")),
    ("docs/packages.md", "jq -r", Test(PACKAGE, "pasted")),
    ("docs/runbook.md", "make build\ninstall -D", Test(RUNBOOK, "a_node_is_installed_and_its_forwards_are_changed")),
    ("docs/runbook.md", "tailport --config /etc/tailport/tailport.toml\n", Test(RUNBOOK, "a_node_is_installed_and_its_forwards_are_changed")),
    ("docs/runbook.md", "export TS_STATE_DIR=/var/lib/tailport\ntailport", Test(RUNBOOK, "a_node_is_installed_and_its_forwards_are_changed")),
    ("docs/runbook.md", "tailport --config /etc/tailport/tailport.toml check\n", Test(RUNBOOK, "a_node_is_installed_and_its_forwards_are_changed")),
    ("docs/runbook.md", "(umask 077; cat > /etc", Test(RUNBOOK, "a_node_needs_no_auth_key_until_its_state_is_lost")),
    ("docs/runbook.md", "make build\ncp -p", Test(RUNBOOK, "an_upgrade_keeps_the_node")),
    ("docs/runbook.md", "tailport --version", Test(RUNBOOK, "an_upgrade_keeps_the_node")),
    ("docs/runbook.md", "(umask 077; tar", Test(RUNBOOK, "a_node_moves_to_another_machine_with_its_addresses")),
    ("docs/runbook.md", "mkdir -p -m 700", Test(RUNBOOK, "a_node_moves_to_another_machine_with_its_addresses")),
    ("docs/runbook.md", "export TS_STATE_DIR=/var/lib/tailport\n{", Test(RUNBOOK, "a_report_has_what_it_needs_and_no_key")),
    ("docs/services.md", "tailport --hostname web-1", Test(FORWARDS, "a_service_has_two_hosts")),
    ("docs/services.md", "[[expose]]", Check),
    ("docs/services.md", "tailport --hostname my-laptop", Test(FORWARDS, "a_client_chooses_between_two_nodes")),
    ("docs/socks5.md", "TS_SOCKS5_ADDR=1080", Test(FORWARDS, "programs_reach_the_tailnet_by_socks5")),
    ("docs/socks5.md", "Host my-host", Test(FORWARDS, "programs_reach_the_tailnet_by_socks5")),
    ("docs/systemd.md", "sudo install -m 755 target/release/tailport", Test(UNITS, "the_documents_commands_install_what_the_program_takes_and_systemd_too")),
    ("docs/systemd.md", "systemctl status", Test(SYSTEMD, "a_service_that_runs_is_asked")),
    ("docs/systemd.md", "sudo install -m 644 deploy/systemd/tailport@.service", Test(UNITS, "the_documents_commands_install_what_the_program_takes_and_systemd_too")),
    ("docs/systemd.md", "[Service]\nUnsetEnvironment=TS_CONFIG", Test(SYSTEMD, "no_file_is_needed")),
    ("docs/systemd.md", "sudo install -d -m 700 /etc/credstore.encrypted", Test(SYSTEMD, "a_key_can_be_encrypted")),
    ("docs/systemd.md", "[Service]\nLoadCredential=\nLoadCredentialEncrypted=", Test(SYSTEMD, "a_key_can_be_encrypted")),
    ("docs/systemd.md", "[Service]\nLoadCredential=\nLoadCredential=", Test(SYSTEMD, "an_older_systemd_is_given_the_keys_path")),
    ("docs/systemd.md", "[Service]\nLoadCredential=ts-client-secret", Test(SYSTEMD, "a_client_secret_can_be_a_credential")),
    ("docs/systemd.md", "sudo install -m 644 deploy/systemd/tailport.socket", Test(UNITS, "the_documents_commands_install_what_the_program_takes_and_systemd_too")),
    ("docs/udp.md", "tailport expose 53/udp", Test(FORWARDS, "a_name_server_is_reached_from_both_sides")),
    ("docs/udp.md", "tailport connect 127.0.0.1:5353/udp", Test(FORWARDS, "a_name_server_is_reached_from_both_sides")),
    ("docs/udp.md", "tailport expose 3389=", Test(FORWARDS, "a_desktop_is_reached_by_tcp_and_udp")),
    ("vendor/libtailscale/README.md", "make libtailscale", Test(INSTALLED, "what_is_installed_is_the_archive_its_header_and_a_pkg_config_file")),
    ("vendor/libtailscale/README.md", "cc hello.c", Test(INSTALLED, "the_c_example_builds_by_its_one_line_and_greets_a_peer")),
    ("vendor/libtailscale/README.md", "[target.", Test(CRATE, "the_published_crate_carries_conversations_on_this_archive")),
];

fn entries(block: &Block) -> Vec<&'static By> {
    let fits = |(document, begins, _): &&(&str, &str, By)| {
        block.document == *document && block.text.starts_with(begins)
    };
    TABLE.iter().filter(fits).map(|(_, _, by)| by).collect()
}

fn all_blocks() -> Vec<Block> {
    let documents = documents::documents();
    let all = documents.iter().flat_map(|name| documents::blocks(name));
    all.collect()
}

#[test]
fn every_block_is_run_by_a_test() {
    let blocks = all_blocks();
    assert!(blocks.len() >= 10, "{} blocks", blocks.len());
    let wrong: Vec<String> = blocks
        .iter()
        .filter(|block| entries(block).len() != 1)
        .map(|block| format!("{block}: {} entries", entries(block).len()))
        .collect();
    assert!(
        wrong.is_empty(),
        "every block has one entry in TABLE of tests/snippets/table.rs, which names the test that \
         runs it. Without one, or with several:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn every_entry_has_its_block_and_its_test() {
    let blocks = all_blocks();
    for (document, begins, by) in TABLE {
        let mut of_it = blocks
            .iter()
            .filter(|block| block.document == *document && block.text.starts_with(begins))
            .peekable();
        assert!(of_it.peek().is_some(), "{document} has no block {begins:?}");
        match by {
            Ci => of_it.for_each(is_run_by_ci),
            Check => of_it.for_each(is_taken),
            Test(file, name) => assert!(
                has_word(&documents::file(file), name),
                "{document}, {begins:?}: there is no {name} in {file}"
            ),
        }
    }
}

fn is_run_by_ci(block: &Block) {
    let script = documents::file(".ci/run");
    for line in block.text.lines() {
        assert!(script.lines().any(|run| run == line), "{block}: {line}");
    }
}

fn is_taken(block: &Block) {
    let settings = Settings::bare();
    let file = settings.directory().write_secret("file", &block.text);
    let file = file.to_str().expect("a text");
    let settings = settings.arguments(&["--config", file, "check"]);
    let said = settings.command().output().expect("starting tailport");
    assert!(
        said.status.success() && said.stderr.is_empty(),
        "{block}: {said:?}"
    );
}

fn has_word(text: &str, word: &str) -> bool {
    let part = |character: char| character.is_alphanumeric() || character == '_';
    text.split(|character| !part(character))
        .any(|found| found == word)
}

#[test]
fn a_shell_reads_every_block_for_one() {
    let mut read = 0;
    for block in all_blocks() {
        if ["sh", "bash"].contains(&block.language.as_str()) {
            let shell = Command::new("bash")
                .args(["-n", "-c", &block.text])
                .output();
            let said = shell.expect("starting bash");
            let errors = String::from_utf8_lossy(&said.stderr);
            assert!(
                said.status.success() && errors.is_empty(),
                "{block}: {errors}"
            );
            read += 1;
        }
    }
    assert!(read > 5, "{read}");
}
