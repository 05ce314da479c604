//! The login URL on a terminal: with a code for a phone where there is room.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::support::patience::PATIENCE;
use crate::support::reaper;
use crate::support::settings::Settings;
use crate::support::tailnet::Tailnet;

/// A terminal: the end that shows, and the end that a program writes to.
fn terminal(columns: u16) -> (OwnedFd, OwnedFd) {
    let shown = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&shown).expect("granting it");
    unlockpt(&shown).expect("unlocking it");
    let name = ptsname(&shown, Vec::new()).expect("its name");
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let written = rustix::fs::open(name, flags, Mode::empty()).expect("opening it");
    let size = Winsize {
        ws_row: 50,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&written, size).expect("its size");
    (shown, written)
}

/// Killed when dropped.
struct Waiting(Child);

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.0.kill();
        if self.0.wait().is_ok() {
            reaper::died(self.0.id());
        }
    }
}

/// All that a node without a key shows on a terminal of this width, up to the log line that
/// follows the URL.
fn shown(columns: u16) -> String {
    let tailnet = Tailnet::start();
    tailnet.key_policy("login");
    let (screen, stderr) = terminal(columns);
    let settings = Settings::without_key(&tailnet).expose(7000, "127.0.0.1:9");
    let mut command = settings.command();
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr);
    let node = Waiting(command.spawn().expect("starting tailport"));
    reaper::born(node.0.id());
    drop(command); // its copy of the terminal's end

    let (send, pieces) = mpsc::channel();
    let mut screen = File::from(screen);
    thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(read @ 1..) = screen.read(&mut piece) {
            if send.send(piece[..read].to_vec()).is_err() {
                return;
            }
        }
    });
    let (start, mut seen) = (Instant::now(), Vec::new());
    loop {
        let left = PATIENCE.saturating_sub(start.elapsed());
        seen.extend(pieces.recv_timeout(left).expect("the login URL"));
        let text = String::from_utf8_lossy(&seen);
        if text.contains("must log this node in") {
            return text.into_owned();
        }
    }
}

#[test]
fn a_terminal_with_room_shows_the_login_url_and_a_code() {
    let text = shown(80);
    assert!(
        text.contains("To log this node in, visit: http://127.0.0.1:"),
        "{text}"
    );
    let blocks = text.lines().filter(|line| line.contains("▀▀▀▀▀"));
    assert!(blocks.count() >= 3, "{text}");
}

#[test]
fn a_narrow_terminal_shows_the_login_url_alone() {
    let text = shown(30);
    assert!(
        text.contains("To log this node in, visit: http://127.0.0.1:"),
        "{text}"
    );
    assert!(!text.contains('▀'), "{text}");
}
