//! A program that is compared, running as a node of its own with one forward.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::kind::Kind;
use super::most;
use super::support::child::Child;
use super::support::home::Home;
use super::support::patience::{PATIENCE, eventually_some};
use super::support::settings::{STAY_HERE, Settings};
use super::support::tailnet::Tailnet;
use super::support::tailport::Tailport;

/// What comes before the addresses when one on tsnet listens.
const PROXYING: &str = "proxying ";

/// A running program. It is killed with the value, and its directory removed.
pub(crate) struct Contestant {
    kind: Kind,
    started: Started,
    address: SocketAddr,
    reachable_after: Duration,
}

struct Started {
    running: Running,
    node: IpAddr,
    /// Where it listens on this machine.
    local: Option<SocketAddr>,
    began: Instant,
    ready_after: Duration,
}

enum Running {
    Tailport(Tailport),
    Other {
        child: Child,
        // Removed after what runs in it.
        _home: Home,
    },
}

impl Contestant {
    /// Starts a program that leads a port of its node to a target on 127.0.0.1, and waits
    /// until it is ready and reachable. tsnet-proxy dials `localhost` at that port.
    #[track_caller]
    pub(crate) fn expose(kind: Kind, tailnet: &Tailnet, port: u16, target: SocketAddr) -> Self {
        assert_eq!(target.ip(), Ipv4Addr::LOCALHOST);
        let started = match kind {
            Kind::Tailport | Kind::Before => {
                tailport(&settings(kind, tailnet).expose(port, target))
            }
            Kind::TsnetProxy => {
                let [target, port] = [target.port(), port].map(|port| port.to_string());
                tsnet(kind, tailnet, &[&target, &port])
            }
            Kind::Crate => on_crate(tailnet, &["expose", &port.to_string(), &target.to_string()]),
            Kind::TsnetConnect => panic!("{} exposes nothing", kind.name()),
        };
        let address = SocketAddr::new(started.node, port);
        Self::reachable(kind, tailnet, started, address)
    }

    /// Starts a program that leads a free port of 127.0.0.1 to an address of the tailnet,
    /// and waits until it is ready and reachable. Start the node that has this address
    /// before: one that no peer has is dialed outside of the tailnet.
    #[track_caller]
    pub(crate) fn connect(kind: Kind, tailnet: &Tailnet, to: SocketAddr) -> Self {
        let started = match kind {
            Kind::Tailport | Kind::Before => tailport(&settings(kind, tailnet).connect(to)),
            Kind::TsnetConnect => tsnet(kind, tailnet, &["0", &to.to_string()]),
            Kind::Crate => on_crate(tailnet, &["connect", "127.0.0.1:0", &to.to_string()]),
            Kind::TsnetProxy => panic!("{} connects to nothing", kind.name()),
        };
        let address = started.local.expect("it listens on this machine");
        Self::reachable(kind, tailnet, started, address)
    }

    #[track_caller]
    fn reachable(kind: Kind, tailnet: &Tailnet, started: Started, address: SocketAddr) -> Self {
        tailnet.wait_reachable(started.node);
        Self {
            kind,
            reachable_after: started.began.elapsed(),
            started,
            address,
        }
    }

    /// Its program's name.
    pub(crate) fn name(&self) -> &'static str {
        self.kind.name()
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        match &self.started.running {
            Running::Tailport(node) => node.pid(),
            Running::Other { child, .. } => child.pid(),
        }
    }

    /// How it ended, if it has.
    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        match &mut self.started.running {
            Running::Tailport(node) => node.has_ended(),
            Running::Other { child, .. } => child.has_ended(),
        }
    }

    /// Its node's IPv4 address on the tailnet.
    pub(crate) fn node(&self) -> IpAddr {
        self.started.node
    }

    /// What to dial: on the tailnet for one that exposes, else on this machine.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How long it took, from before the exec, until a connection could be made:
    ///
    /// - tailport: its READY line.
    /// - libtailscale: its program's READY line, once the node is up and it listens.
    /// - tsnet-connect: its line `proxying …`, once the node is up and it listens.
    /// - tsnet-proxy: its own line comes when it listens, before the node is up. What
    ///   counts is the first look at the control server after that line, one every 10 ms,
    ///   that shows the node with an address and a map poll.
    pub(crate) fn ready_after(&self) -> Duration {
        self.started.ready_after
    }

    /// How long it took, from before the exec, until it was ready and the control server
    /// knew its node to poll and to be at the relay, by looks every 10 ms: the same event
    /// for all.
    pub(crate) fn reachable_after(&self) -> Duration {
        self.reachable_after
    }
}

/// With as many connections as are held.
fn settings(kind: Kind, tailnet: &Tailnet) -> Settings {
    let settings = Settings::on(tailnet).program(kind.executable());
    settings.set("TS_MAX_CONNECTIONS", most::cap().to_string())
}

#[track_caller]
fn tailport(settings: &Settings) -> Started {
    let began = Instant::now();
    let mut node = settings.spawn();
    let ready = node.wait_ready();
    Started {
        began,
        ready_after: began.elapsed(),
        node: ready.address(),
        local: ready.local().first().copied(),
        running: Running::Tailport(node),
    }
}

/// Either of the two on tsnet; their flags are the same.
#[track_caller]
fn tsnet(kind: Kind, tailnet: &Tailnet, arguments: &[&str]) -> Started {
    let (home, hostname) = (Home::new(), hostname(kind));
    let mut command = command(kind);
    command
        .env("TS_AUTHKEY", tailnet.key())
        .env("TS_CONTROL_URL", tailnet.control_url())
        .arg("-dir")
        .arg(home.state())
        .arg(&hostname)
        .args(arguments);
    let began = Instant::now();
    let child = Child::start(kind.name(), &mut command);
    let listens = |line: &str| line.contains(PROXYING) && line.ends_with(" on tailnet");
    let line = child.stderr.wait(PATIENCE, listens);
    let listening_after = began.elapsed();
    let line = line.unwrap_or_else(|| panic!("{} does not listen", kind.name()));
    let node = eventually_some("the node has an address", PATIENCE, || {
        let node = tailnet.node(&hostname).filter(|node| node.polling)?;
        node.addresses.into_iter().find(IpAddr::is_ipv4)
    });
    let from = line
        .split(PROXYING)
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    Started {
        began,
        ready_after: match kind {
            Kind::TsnetProxy => began.elapsed(),
            _ => listening_after,
        },
        node,
        local: from.and_then(|from| from.parse().ok()),
        running: Running::Other { child, _home: home },
    }
}

#[track_caller]
fn on_crate(tailnet: &Tailnet, arguments: &[&str]) -> Started {
    let home = Home::new();
    let mut command = command(Kind::Crate);
    command
        .env("TS_AUTHKEY_FILE", tailnet.key_file())
        .env("TS_CONTROL_URL", tailnet.control_url())
        .env("TS_STATE_DIR", home.state())
        .env("TS_HOSTNAME", hostname(Kind::Crate))
        .args(arguments);
    let began = Instant::now();
    let mut child = Child::start(Kind::Crate.name(), &mut command);
    let ready = child.ready(PATIENCE);
    let address = ready["address"].as_str().and_then(|text| text.parse().ok());
    Started {
        began,
        ready_after: began.elapsed(),
        node: address.expect("its address"),
        local: ready["local"].as_str().and_then(|text| text.parse().ok()),
        running: Running::Other { child, _home: home },
    }
}

/// The program with what keeps its node on this machine.
fn command(kind: Kind) -> Command {
    let mut command = Command::new(kind.executable());
    command.env_clear().envs(STAY_HERE);
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}

/// A name that no other node has.
fn hostname(kind: Kind) -> String {
    static STARTED: AtomicUsize = AtomicUsize::new(1);
    format!("{}-{}", kind.name(), STARTED.fetch_add(1, Relaxed))
}
