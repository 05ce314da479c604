//! The runbook's procedures. An account stands for a machine.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::documents::block;
use crate::machine::{Account, Machine, Pasted};

const FILE: &str = "etc/tailport/tailport.toml";
const STATE: &str = "var/lib/tailport";

#[track_caller]
fn step(begins: &str) -> String {
    block("docs/runbook.md", begins)
}

/// A machine on which tailport is installed as the runbook says.
#[track_caller]
fn installed(machine: &Machine) -> Account<'_> {
    let account = machine.account();
    let mut install = account.paste_and_type(&step("make build\ninstall -D"), machine.key());
    install.ended(0);
    account
}

#[track_caller]
fn start<'a>(account: &'a Account<'_>) -> Pasted<'a> {
    account.paste(&step("tailport --config /etc/tailport/tailport.toml\n"))
}

#[test]
#[ignore = "needs root and network namespaces: make interop"]
fn a_node_is_installed_and_its_forwards_are_changed() {
    let machine = Machine::new();
    let account = installed(&machine);
    let mut node = start(&account);
    let ready = node.ready();
    assert_eq!(ready.hostname, "my-host");
    assert_eq!(ready.forwards[0].target, "127.0.0.1:22");
    let looked = account.run(&step(
        "export TS_STATE_DIR=/var/lib/tailport\ntailport status",
    ));
    assert!(looked.contains("my-host is ready"), "{looked}");

    let file = fs::read_to_string(account.path(FILE)).unwrap();
    let more = "[[expose]]\ntarget = '127.0.0.1:80'\n";
    fs::write(account.path(FILE), file + more).unwrap();
    let answer = account.run(&step(
        "tailport --config /etc/tailport/tailport.toml check\n",
    ));
    assert!(answer.contains("expose 80"), "{answer}");
    node.stop();
}

#[test]
#[ignore = "needs root and network namespaces: make interop"]
fn a_node_needs_no_auth_key_until_its_state_is_lost() {
    let machine = Machine::new();
    let account = installed(&machine);
    let mut node = start(&account);
    let before = node.ready();
    machine.tailnet(|tailnet| tailnet.key_policy("spent"));
    fs::write(account.path("etc/tailport/authkey"), "tskey-auth-old").unwrap();
    node.stop();
    let mut node = start(&account);
    assert_eq!(node.ready().addresses, before.addresses);

    let renew = step("(umask 077; cat > /etc/tailport/authkey.new)");
    account.paste_and_type(&renew, machine.key()).ended(0);
    let answer = account.run("tailport --state-dir /var/lib/tailport reload");
    assert!(answer.contains("TS_AUTHKEY needs a restart"), "{answer}");
    machine.tailnet(|tailnet| tailnet.key_policy("required"));
    node.stop();
    fs::remove_dir_all(account.path(STATE)).unwrap();
    let mut anew = start(&account);
    assert_ne!(anew.ready().addresses, before.addresses);
    anew.stop();
}

#[test]
#[ignore = "needs root and network namespaces: make interop"]
fn a_node_whose_key_expires_goes_on_in_each_of_three_ways() {
    let machine = Machine::new();
    let account = installed(&machine);
    let mut node = start(&account);
    let before = node.ready();
    let known = || machine.tailnet(|tailnet| tailnet.node("my-host").unwrap());
    let status = step("tailport --version\n");
    let first_key = known().node_key;

    machine.tailnet(|tailnet| tailnet.expire("my-host"));
    node.says("not ready");
    machine.tailnet(|tailnet| tailnet.extend("my-host"));
    node.says("ready again");
    assert!(account.run(&status).contains("my-host is ready"));
    assert_eq!(known().node_key, first_key);

    machine.tailnet(|tailnet| tailnet.expire("my-host"));
    node.stop();
    let mut node = start(&account);
    assert_eq!(node.ready().addresses, before.addresses);
    let second_key = known().node_key;
    assert_ne!(second_key, first_key);

    machine.tailnet(|tailnet| tailnet.key_policy("login"));
    machine.tailnet(|tailnet| tailnet.expire("my-host"));
    node.stop();
    let file = fs::read_to_string(account.path(FILE)).unwrap();
    let keyless = file
        .lines()
        .filter(|line| !line.starts_with("authkey_file"));
    fs::write(account.path(FILE), keyless.collect::<Vec<_>>().join("\n")).unwrap();
    let mut node = start(&account);
    let line = node.says("To log this node in, visit: ");
    let url = line.split_whitespace().last().unwrap();
    machine.tailnet(|tailnet| tailnet.complete_login(url));
    assert_eq!(node.ready().addresses, before.addresses);
    assert_ne!(known().node_key, second_key);
    node.stop();
}

#[test]
#[ignore = "needs root and network namespaces: make interop"]
fn an_upgrade_keeps_the_node() {
    let machine = Machine::new();
    let account = installed(&machine);
    let mut node = start(&account);
    let before = node.ready();

    let built = account.path("target/release/tailport");
    let old = fs::read_to_string(&built).unwrap();
    let new = format!("{old}# another version\n");
    fs::write(&built, &new).unwrap();
    account.run(&step("make build\ncp -p"));
    let read = |name| fs::read_to_string(account.path(name)).unwrap();
    assert_eq!(read("usr/local/bin/tailport"), new);
    assert_eq!(read("usr/local/bin/tailport.old"), old);
    node.stop();
    let mut node = start(&account);
    assert_eq!(node.ready().addresses, before.addresses);
    let said = account.run(&step("tailport --version\n"));
    let version = concat!("tailport ", env!("CARGO_PKG_VERSION"));
    assert!(said.contains(version), "{said}");
    assert!(said.contains("my-host is ready"), "{said}");
    node.stop();
}

#[test]
#[ignore = "needs root and network namespaces: make interop"]
fn a_node_moves_to_another_machine_with_its_addresses() {
    let machine = Machine::new();
    let (old, new) = (installed(&machine), installed(&machine));
    let mut node = start(&old);
    let before = node.ready();
    node.stop();
    old.run(&step("(umask 077; tar"));
    let copy = fs::metadata(old.path("node.tar.gz")).unwrap();
    assert_eq!(copy.permissions().mode() & 0o777, 0o600);

    fs::copy(old.path("node.tar.gz"), new.path("node.tar.gz")).unwrap();
    new.run(&step("mkdir -p -m 700 /var/lib/tailport"));
    let state = fs::metadata(new.path(STATE)).unwrap();
    assert_eq!(state.permissions().mode() & 0o777, 0o700);
    // The state needs no key.
    machine.tailnet(|tailnet| tailnet.key_policy("spent"));
    let mut node = start(&new);
    assert_eq!(node.ready().addresses, before.addresses);
    assert_eq!(machine.tailnet(|tailnet| tailnet.nodes().len()), 1);
    node.stop();
}

#[test]
#[ignore = "needs root and network namespaces: make interop"]
fn a_report_has_what_it_needs_and_no_key() {
    let machine = Machine::new();
    let account = installed(&machine);
    let mut node = start(&account);
    node.ready();
    account.run(&step("export TS_STATE_DIR=/var/lib/tailport\n{"));
    let report = fs::read_to_string(account.path("tailport-report.txt")).unwrap();
    for part in [
        "Linux",
        concat!("tailport ", env!("CARGO_PKG_VERSION")),
        "REDACTED",
        "my-host is ready",
        "\"uptime_seconds\"",
        "tailport_ready 1",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    assert!(!report.contains(machine.key()), "{report}");
    node.stop();
}
