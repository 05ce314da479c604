//! The unit files as the document has them installed, judged by the program and, where they are
//! installed, by systemd's tools.

use std::fs;

use crate::machine::{Machine, commands, judged, repository, unit};

/// The most exposure that `systemd-analyze security` may find, in tenths.
const EXPOSURE: &str = "--threshold=15";

#[test]
fn the_documents_commands_install_what_the_program_takes_and_systemd_too() {
    let machine = Machine::new();
    machine.run(&commands("Install"));
    machine.run(&commands("Several nodes"));
    machine.run(&commands("Socket activation"));
    let asked = fs::read_to_string(machine.path("asked")).unwrap();
    for unit in ["tailport", "tailport@web", "tailport.socket"] {
        let enabled = format!("enable --now {unit}");
        assert!(asked.lines().any(|line| line == enabled), "{asked}");
    }
    for (name, state) in [
        ("tailport.service", "tailport"),
        ("tailport@.service", "tailport-web"),
    ] {
        let said = machine.check(&unit(name), "web");
        assert!(
            said.contains("REDACTED"),
            "{name}: the key is not found: {said}"
        );
        assert!(
            said.contains(&format!("/var/lib/{state}")),
            "{name}: {said}"
        );
        assert!(said.contains("22/tcp to 127.0.0.1:22"), "{name}: {said}");
    }
    machine.verify(&[
        "tailport.service",
        "tailport@web.service",
        "tailport.socket",
    ]);
}

#[test]
fn the_services_are_shut_in() {
    for name in ["tailport.service", "tailport@.service"] {
        let path = repository().join("deploy/systemd").join(name);
        let path = path.to_str().unwrap();
        let security = ["security", "--no-pager", "--offline=true", EXPOSURE, path];
        if let Some(verdict) = judged(&security) {
            let said = String::from_utf8_lossy(&verdict.stdout);
            assert!(verdict.status.success(), "{said}");
        }
    }
}

#[test]
fn one_node_and_several_run_under_the_same_rules() {
    let told = |name: &str| -> Vec<String> {
        let unit = unit(name).replace("-%i", "").replace(" (%i)", "");
        let unit = unit.replace("%i", "tailport");
        let lines = unit.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(told("tailport.service"), told("tailport@.service"));
}
