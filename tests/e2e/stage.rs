//! What tests of one shape share: a tailnet whose policies nobody changes, a stock
//! peer, and nodes that nobody stops.

use std::net::{SocketAddr, TcpListener};
use std::process::Output;
use std::sync::{Mutex, OnceLock, PoisonError};

pub(crate) use crate::support::shared::{pair, peer, tailnet};

use crate::support::home::Home;
use crate::support::peer::Listening;
use crate::support::settings::Settings;
use crate::support::socket;
use crate::support::tailport::Tailport;

/// A node on it with a key, to be completed and started by [`start`].
pub(crate) fn settings() -> Settings {
    peer();
    Settings::on(tailnet())
}

/// Starts a node on it that the peer reaches at the first packet, and the other
/// way round.
#[track_caller]
pub(crate) fn start(settings: &Settings) -> Tailport {
    let node = settings.start(tailnet());
    peer().greet(node.address());
    node
}

/// A port of the peer that no other test uses.
pub(crate) fn peer_port() -> u16 {
    static NEXT: Mutex<u16> = Mutex::new(9001);
    let mut next = NEXT.lock().unwrap_or_else(PoisonError::into_inner);
    *next += 1;
    *next
}

/// What a verb answers about the program that uses this directory: its exit code,
/// its stdout and its stderr.
#[track_caller]
pub(crate) fn ask(home: &Home, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Settings::bare().home(home).arguments(arguments).command();
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("asking");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let code = status.code().expect("an exit code");
    (code, text(stdout), text(stderr))
}

/// A node that connects to a port of the peer, behind which a target of this
/// machine waits.
pub(crate) struct Connecting {
    pub(crate) node: Tailport,
    pub(crate) target: TcpListener,
    pub(crate) listening: Listening,
}

impl Connecting {
    /// Starts one with these settings besides the connect.
    pub(crate) fn start(settings: Settings) -> Self {
        let target = socket::listen();
        let (port, address) = (peer_port(), socket::address(&target));
        let listening = peer().listen(port, address);
        let node = start(&settings.connect(SocketAddr::new(peer().address(), port)));
        Self {
            node,
            target,
            listening,
        }
    }
}

/// One such node for a test at a time.
pub(crate) fn connecting() -> &'static Mutex<Connecting> {
    static CONNECTING: OnceLock<Mutex<Connecting>> = OnceLock::new();
    CONNECTING.get_or_init(|| Mutex::new(Connecting::start(settings())))
}
