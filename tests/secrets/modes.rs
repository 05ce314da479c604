//! What is written into the state directory is for its user alone, whatever the umask allows.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use crate::support::child::Child;
use crate::support::patience::PATIENCE;
use crate::support::settings::Settings;
use crate::support::tailnet::Tailnet;

/// Every file and directory below a directory.
fn all_below(directory: &Path) -> Vec<PathBuf> {
    let mut all = vec![directory.to_owned()];
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => all.extend(all_below(&entry.path())),
            false => all.push(entry.path()),
        }
    }
    all
}

/// The command under a umask.
fn under(umask: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", r#"umask "$0" && exec "$@""#, umask])
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear();
    for (name, value) in command.get_envs() {
        shell.env(name, value.unwrap_or_default());
    }
    shell
}

#[test]
fn nothing_in_the_state_directory_is_open_to_others_under_any_umask() {
    let tailnet = Tailnet::start();
    for umask in ["000", "022", "077"] {
        let home = crate::support::home::Home::new();
        // Up to the home's own directory all is made by the program.
        let state = home.path().join("var/lib/tailport");
        let settings = Settings::on(&tailnet)
            .home(&home)
            .set("TS_STATE_DIR", &state)
            .expose(22, "127.0.0.1:22");
        let mut node = Child::start("tailport", &mut under(umask, &settings.command()));
        node.ready(PATIENCE);
        let running = all_below(&home.path().join("var"));
        node.signal(Signal::TERM);
        assert!(node.wait_exit(PATIENCE).success());
        let ended = all_below(&home.path().join("var"));

        let names: Vec<_> = ended
            .iter()
            .filter_map(|path| path.file_name()?.to_str())
            .collect();
        assert!(
            names.contains(&"tailscaled.state") && names.contains(&"tailport.lock"),
            "{names:?}"
        );
        for path in running.iter().chain(&ended) {
            let Ok(metadata) = fs::symlink_metadata(path) else {
                continue; // was there for a moment only
            };
            let expected = if metadata.is_dir() { 0o700 } else { 0o600 };
            let mode = metadata.permissions().mode() & 0o7777;
            assert_eq!(
                mode,
                expected,
                "{} is {mode:04o} under umask {umask}",
                path.display()
            );
            assert_eq!(metadata.uid(), rustix::process::geteuid().as_raw());
        }
    }
}
