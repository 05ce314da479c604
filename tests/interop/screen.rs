//! A display without a screen on a machine of the tests, and what is drawn on it.

use std::collections::HashSet;
use std::process::Command;

use crate::host::Host;
use crate::support::child::Child;
use crate::support::patience::PATIENCE;

/// An Xvfb; it ends with the value.
pub(crate) struct Screen<'a> {
    host: &'a Host,
    display: String,
    _server: Child,
}

impl<'a> Screen<'a> {
    /// Starts one on a free display.
    pub(crate) fn start(host: &'a Host) -> Self {
        let mut command = host.command("Xvfb");
        command.args(["-displayfd", "1", "-screen", "0", "800x600x24"]);
        command.args(["-nolisten", "tcp", "-noreset"]);
        let server = Child::start("Xvfb", &mut command);
        let number = server
            .stdout
            .wait(PATIENCE, |line| !line.is_empty())
            .expect("Xvfb tells its display");
        Self {
            host,
            display: format!(":{number}"),
            _server: server,
        }
    }

    /// A program that draws on it.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = self.host.command(program);
        command
            .env("DISPLAY", &self.display)
            .env("HOME", self.host.home().path());
        command
    }

    /// How many colours there are on it now.
    pub(crate) fn colours(&self) -> usize {
        let mut import = self.command("import");
        import.args(["-window", "root", "-depth", "8", "rgb:-"]);
        let output = import.output().expect("starting import");
        assert!(output.status.success(), "import: {}", output.status);
        let colours: HashSet<&[u8]> = output.stdout.chunks_exact(3).collect();
        colours.len()
    }
}
