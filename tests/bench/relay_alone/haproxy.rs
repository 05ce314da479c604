//! HAProxy in TCP mode, from Debian's package, as it comes: as many threads as there
//! are processors.

use std::fs;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::io::{FdFlags, fcntl_setfd};

use crate::support::child::Child;
use crate::support::home::Home;
use crate::support::socket;
use crate::support::unpacked;

/// Its place below the root of what is unpacked.
pub(crate) const PROGRAM: &str = "usr/sbin/haproxy";

/// Both directions. By `option splice-auto`, which decides for itself, it has been seen
/// to splice nothing of these loads.
const SPLICE: &str = "    option splice-request\n    option splice-response";

/// Whether it has been unpacked.
pub(super) fn is_there() -> bool {
    unpacked::root().join(PROGRAM).is_file()
}

/// Starts it; it listens on a socket that it inherits, so that it can be connected to
/// at once.
pub(super) fn start(home: &Home, target: SocketAddr, splice: bool) -> (SocketAddr, Child) {
    let door = socket::listen();
    let address = socket::address(&door);
    let door = OwnedFd::from(door);
    fcntl_setfd(&door, FdFlags::empty()).expect("having a socket inherited");
    let file = home.path().join("haproxy.cfg");
    fs::write(&file, configuration(target, splice)).expect("writing a configuration");
    let mut command = unpacked::program(PROGRAM);
    command.env("DOOR", door.as_raw_fd().to_string());
    // In the foreground, and one process.
    command.args(["-db", "-f"]).arg(&file);
    (address, Child::start("haproxy", &mut command))
}

fn configuration(target: SocketAddr, splice: bool) -> String {
    let options = if splice { SPLICE } else { "" };
    format!(
        r#"
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
{options}
listen relay
    bind "fd@${{DOOR}}"
    server target {target}
"#
    )
}
