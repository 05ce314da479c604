//! Two nodes of ours, joined by lanes: one exposes a target of the test, the other
//! one connects to it, so that a connection runs through both.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Condvar, Mutex, PoisonError};

use super::settings::Settings;
use super::socket;
use super::tailnet::Tailnet;
use super::tailport::Tailport;

/// The first lane's port on the tailnet.
const FIRST: u16 = 7001;

/// Both nodes, their logs in JSON.
pub(crate) struct Pair {
    /// The node that exposes the targets.
    pub(crate) exposing: Tailport,
    /// The node that connects to them.
    pub(crate) connecting: Tailport,
    free: Mutex<Vec<Ends>>,
    returned: Condvar,
}

struct Ends {
    port: u16,
    target: TcpListener,
    entry: SocketAddr,
}

/// A way through both nodes that one test has for itself. A test that fails
/// keeps it: what is left in it is nobody's.
pub(crate) struct Lane<'a> {
    pair: &'a Pair,
    ends: Option<Ends>,
}

impl Pair {
    /// Starts both nodes and sends a first connection through them.
    pub(crate) fn start(tailnet: &Tailnet, lanes: u16) -> Self {
        Self::with(tailnet, lanes, |settings| settings)
    }

    /// The same with something more in the settings of both.
    pub(crate) fn with(tailnet: &Tailnet, lanes: u16, more: impl Fn(Settings) -> Settings) -> Self {
        let targets: Vec<_> = (FIRST..FIRST + lanes)
            .map(|port| (port, socket::listen()))
            .collect();
        let base = more(Settings::on(tailnet).set("TS_LOG_FORMAT", "json"));
        let exposing = targets
            .iter()
            .fold(base, |settings, (port, target)| {
                settings.expose(*port, socket::address(target))
            })
            .start(tailnet);
        let base = more(Settings::on(tailnet).set("TS_LOG_FORMAT", "json"));
        let connecting = targets
            .iter()
            .fold(base, |settings, (port, _)| {
                settings.connect(exposing.at(*port))
            })
            // The first one to be sent through may have to wait for the handshake.
            .set("TS_DIAL_TIMEOUT", "20s")
            .start(tailnet);
        let entries = connecting.ready().local();
        let free = targets
            .into_iter()
            .zip(entries)
            .map(|((port, target), entry)| Ends {
                port,
                target,
                entry,
            })
            .collect();
        let pair = Self {
            exposing,
            connecting,
            free: Mutex::new(free),
            returned: Condvar::new(),
        };
        let (mut client, mut served) = pair.lane().open();
        client.write_all(b"!").expect("writing");
        served.read_exact(&mut [0]).expect("a byte arrives");
        drop((client, served));
        pair
    }

    /// Takes a lane that nobody uses, or waits for one.
    pub(crate) fn lane(&self) -> Lane<'_> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(ends) = free.pop() {
                return Lane {
                    pair: self,
                    ends: Some(ends),
                };
            }
            free = self
                .returned
                .wait(free)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Lane<'_> {
    /// A connection from its entry to its target: the client's and the target's end.
    #[track_caller]
    pub(crate) fn open(&self) -> (TcpStream, TcpStream) {
        let client = socket::connect(self.entry());
        let served = socket::accept(self.target());
        (client, served)
    }

    /// Where clients connect on this machine.
    pub(crate) fn entry(&self) -> SocketAddr {
        self.ends().entry
    }

    /// The target that is exposed.
    pub(crate) fn target(&self) -> &TcpListener {
        &self.ends().target
    }

    /// The port of the exposing node that leads to the target.
    pub(crate) fn port(&self) -> u16 {
        self.ends().port
    }

    /// The exposing node's name for it in its log.
    pub(crate) fn expose(&self) -> String {
        format!("expose {}/tcp", self.port())
    }

    /// The connecting node's name for it in its log.
    pub(crate) fn connect(&self) -> String {
        format!("connect {}", self.entry())
    }

    /// The exposing node's address on the tailnet.
    pub(crate) fn exposed_at(&self) -> IpAddr {
        self.pair.exposing.address()
    }

    fn ends(&self) -> &Ends {
        self.ends
            .as_ref()
            .expect("a lane has its ends until dropped")
    }
}

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let mut free = self
            .pair
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        free.extend(self.ends.take());
        self.pair.returned.notify_one();
    }
}
