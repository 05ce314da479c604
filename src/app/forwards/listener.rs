//! The listening side of a forward: bound on this machine, or opened on the tailnet.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use super::certificate::Keeper;
use crate::app::failure::Failure;
use crate::app::service_manager::Sockets;
use crate::config::{Account, Config, Forward, Listen, Protocol, ServiceName, SocketAccess};
use crate::exit::Exit;
use crate::proxy::kernel::{Access, Keepalive, KernelListener, UnixListener};
use crate::proxy::node::{NodeFlowListener, NodeListener};
use crate::proxy::tls::TlsListener;
use crate::proxy::udp::UdpListener;
use crate::tailnet::{Error, ErrorKind, Node};

/// The kind of the failure to listen where somebody else does, or may not be listened.
pub(super) const NOT_BOUND: &str = "not_bound";

/// A listener of any sort.
pub(super) enum Listener {
    Tailnet(NodeListener),
    Tls(TlsListener<NodeListener>),
    Local(KernelListener),
    Unix(UnixListener),
    TailnetUdp(NodeFlowListener),
    LocalUdp(UdpListener),
}

/// A forward on its way to its listener.
pub(super) struct Bound {
    pub(super) configured: Forward,
    /// Where it listens, with the port that the system has chosen for port 0.
    pub(super) listen: String,
    place: Place,
}

/// Where a forward listens.
enum Place {
    /// On this machine, bound already.
    Here(Listener),
    /// On a port of the tailnet, which is opened when there is a node.
    Tailnet(u16, Protocol),
    /// On a port of a service, the same.
    Service(ServiceName, u16),
}

impl Bound {
    /// Binds what listens on this machine, unless the service manager has done that; nothing
    /// is done for the tailnet yet.
    pub(super) async fn new(
        configured: &Forward,
        config: &Config,
        sockets: &Sockets,
    ) -> Result<Self, Failure> {
        check(configured)?;
        let passed = sockets.of(configured)?;
        let mut listen = configured.listen.to_string();
        let failed = |error: io::Error| not_bound(&configured.listen.to_string(), &error);
        let place = match &configured.listen {
            Listen::Tailnet { port, protocol } => Place::Tailnet(*port, *protocol),
            Listen::Service { service, port } => Place::Service(service.clone(), *port),
            Listen::Local {
                address,
                protocol: Protocol::Udp,
            } => {
                let listener = match passed {
                    Some(socket) => UdpListener::passed(socket.into()),
                    None => UdpListener::bind(*address).await,
                };
                let listener = listener.map_err(failed)?;
                let at = listener.local_addr().map_err(failed)?;
                listen = format!("{at}/{}", Protocol::Udp);
                Place::Here(Listener::LocalUdp(listener))
            }
            Listen::Local { address, .. } => {
                let listener = match passed {
                    Some(socket) => KernelListener::passed(socket.into(), keepalive(config)),
                    None => KernelListener::bind(*address, keepalive(config)).await,
                };
                let listener = listener.map_err(failed)?;
                listen = listener.local_addr().map_err(failed)?.to_string();
                Place::Here(Listener::Local(listener))
            }
            Listen::Unix(path) => {
                let listener = match passed {
                    Some(socket) => UnixListener::passed(socket.into()),
                    None => {
                        let access = access(&configured.options.socket).map_err(failed)?;
                        UnixListener::bind(path.as_path(), access).await
                    }
                };
                Place::Here(Listener::Unix(listener.map_err(failed)?))
            }
        };
        Ok(Self {
            configured: configured.clone(),
            listen,
            place,
        })
    }

    /// The listener, opened now if it is one of the tailnet. One that speaks TLS is
    /// opened with the certificate or not at all.
    pub(super) async fn open(
        self,
        node: &Node,
        certificate: Option<&Keeper>,
    ) -> Result<Opened, Failure> {
        let Self {
            configured,
            listen,
            place,
        } = self;
        let failed = |error| not_open(&listen, error);
        let listener = match place {
            Place::Here(listener) => listener,
            Place::Tailnet(port, Protocol::Udp) => {
                let opened = node.listen_udp(port).await.map_err(failed)?;
                Listener::TailnetUdp(NodeFlowListener::new(opened))
            }
            Place::Tailnet(port, Protocol::Tcp) => {
                let opened = node.listen(port).await.map_err(failed)?;
                Listener::Tailnet(NodeListener::new(opened))
            }
            Place::Tailnet(port, Protocol::Tls) => {
                let keeper = certificate.ok_or_else(no_certificate)?;
                let opened = node.listen(port).await.map_err(failed)?;
                Listener::Tls(keeper.listener(NodeListener::new(opened))?)
            }
            Place::Service(service, port) => {
                let opened = node.listen_service(service.as_str(), port).await;
                Listener::Tailnet(NodeListener::new(opened.map_err(failed)?))
            }
        };
        Ok(Opened {
            configured,
            listen,
            listener,
        })
    }
}

/// A forward with its listener.
pub(super) struct Opened {
    pub(super) configured: Forward,
    /// Where it listens, as told.
    pub(super) listen: String,
    pub(super) listener: Listener,
}

/// Binds where SOCKS5 is spoken; returns the place as told.
pub(super) async fn socks5(
    address: SocketAddr,
    config: &Config,
) -> Result<(String, KernelListener), Failure> {
    let failed = |error: io::Error| not_bound(&format!("{address} (TS_SOCKS5_ADDR)"), &error);
    let listener = KernelListener::bind(address, keepalive(config))
        .await
        .map_err(failed)?;
    let at = listener.local_addr().map_err(failed)?;
    Ok((at.to_string(), listener))
}

fn keepalive(config: &Config) -> Keepalive {
    Keepalive {
        idle: config.timeouts.keepalive.unwrap_or_default(),
    }
}

/// Who may open a socket's file, by number.
fn access(configured: &SocketAccess) -> io::Result<Access> {
    Ok(Access {
        mode: configured.mode,
        uid: number(configured.owner.as_ref(), "/etc/passwd", "user")?,
        gid: number(configured.group.as_ref(), "/etc/group", "group")?,
    })
}

/// The number of a user or a group. Names are looked up in the system's own file:
/// a static program cannot load what asks a directory service.
fn number(account: Option<&Account>, file: &str, what: &str) -> io::Result<Option<u32>> {
    let name = match account {
        None => return Ok(None),
        Some(Account::Id(id)) => return Ok(Some(*id)),
        Some(Account::Name(name)) => name,
    };
    let text = std::fs::read_to_string(Path::new(file))?;
    let found = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1))?
    });
    match found.and_then(|id| id.parse().ok()) {
        Some(id) => Ok(Some(id)),
        None => Err(io::Error::other(format!(
            "{file} has no {what} {name}: write its number"
        ))),
    }
}

/// Whether a forward can be served at all, wherever it listens.
pub(super) fn check(configured: &Forward) -> Result<(), Failure> {
    match configured.protocol() {
        Protocol::Udp if configured.targets.len() > 1 => Err(one_target(configured)),
        _ => Ok(()),
    }
}

fn one_target(configured: &Forward) -> Failure {
    Failure::new(
        Exit::Usage,
        "usage",
        format!(
            "{} {configured}: a UDP forward has one target, as nothing tells whether one is well",
            configured.kind()
        ),
    )
}

fn no_certificate() -> Failure {
    Failure::new(Exit::Internal, "internal", "TLS without a certificate")
}

fn not_bound(listen: &str, error: &io::Error) -> Failure {
    Failure::new(
        Exit::Other,
        NOT_BOUND,
        format!("listening on {listen}: {error}"),
    )
}

fn not_open(listen: &str, error: Error) -> Failure {
    match error.kind() {
        ErrorKind::PortInUse => Failure::new(
            Exit::Other,
            NOT_BOUND,
            format!("listening on {listen} of the tailnet: {error}"),
        ),
        kind @ ErrorKind::NotTagged => Failure::new(
            Exit::Usage,
            kind.name(),
            format!(
                "listening on {listen}: {error}; set TS_TAGS, or use a key that gives a tag, and \
                 log the node in with a new state directory"
            ),
        ),
        _ => error.into(),
    }
}
