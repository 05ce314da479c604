//! Forwards as they are written: both sides as text, ranges and lists of targets, to one
//! [`Forward`] for each port.

use std::net::SocketAddr;
use std::str::FromStr;

use super::address::{AddressError, Host, Target, TargetText};
use super::forward::{Forward, ForwardOptions};
use super::listen::{Listen, ListenText, LocalText, Protocol, TailnetText};
use super::ports::Ports;
use super::service_name;

/// Why a text is no forward.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForwardError {
    /// Nothing between two commas, or at an end.
    #[error("is empty")]
    Empty,
    /// The listening side is wrong.
    #[error("listening port: {0}")]
    Listen(AddressError),
    /// The local address of a connect is wrong.
    #[error("local address: {0}")]
    Local(AddressError),
    /// A target is wrong.
    #[error("target: {0}")]
    Target(AddressError),
    /// A connect without its local side.
    #[error("has no local address: write LOCAL=HOST:PORT")]
    NoLocal,
    /// Targets that do not tell the listening port.
    #[error("has no listening port: write PORT= in front of the target")]
    NoPort,
    /// More targets than a dial could ever try.
    #[error("has more than {most} targets", most = Forward::MOST_TARGETS)]
    TooManyTargets,
    /// A range of another length than the target's.
    #[error("listens on {0} ports and the target {1} has {2}: write ranges of one length")]
    Lengths(usize, String, usize),
    /// More ports than a configuration may have forwards.
    #[error("is a range of {0} ports, more than {most}", most = Forward::MOST)]
    TooLong(usize),
    /// A Unix socket where there can only be a network's host.
    #[error("target: {0}")]
    NoUnix(&'static str),
    /// A protocol that this side of the tailnet does not have.
    #[error("{0}")]
    Protocol(&'static str),
}

const TLS_CONNECT: &str = "/tls is for an expose: a connect carries what it gets";
const SERVICE_TCP: &str = "a service's port carries TCP as it is, without /udp and /tls";
const UNIX_UDP: &str = "a Unix socket carries no /udp: name HOST:PORT";
const UNIX_CONNECT: &str = "a connect leads into the tailnet, where there are no unix: targets";
const UNIX_RANGE: &str = "a Unix socket has no ports for a range";

/// A target or several, `|` between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Targets(pub(super) Vec<TargetText>);

impl FromStr for Targets {
    type Err = ForwardError;

    fn from_str(text: &str) -> Result<Self, ForwardError> {
        if text.split('|').count() > Forward::MOST_TARGETS {
            return Err(ForwardError::TooManyTargets);
        }
        let targets = text.split('|').map(|text| text.trim().parse());
        let targets: Result<_, _> = targets.collect();
        targets.map(Targets).map_err(ForwardError::Target)
    }
}

impl Targets {
    /// The listening side that is meant when none is written: the target's own ports.
    pub(super) fn own_ports(&self) -> Result<ListenText, ForwardError> {
        match self.0.as_slice() {
            [TargetText::Network(_, ports)] => Ok(ListenText::Tailnet(*ports, None)),
            _ => Err(ForwardError::NoPort),
        }
    }
}

impl Forward {
    /// The allowed forms of an expose.
    pub const EXPOSE_RULE: &str = "PORT=HOST:PORT; HOST:PORT alone listens on the same port, PORT \
                                   alone is PORT=127.0.0.1:PORT; PORT may be PORT/udp, PORT/tls, a \
                                   range, or svc:NAME:PORT for a service, HOST:PORT may be \
                                   unix:/PATH or several with a vertical bar between them";
    /// The allowed forms of a connect.
    pub const CONNECT_RULE: &str = "LOCAL=HOST:PORT, where LOCAL is PORT (on 127.0.0.1), \
                                    ADDRESS:PORT, either with /udp, or unix:/PATH; PORT may be a \
                                    range, HOST:PORT several with a vertical bar between them";

    /// Reads `[PORT=]TARGET[|TARGET…]` or `PORT`, where `PORT` may be a service's; a range gives one
    /// forward for each port.
    ///
    /// # Errors
    /// Names the side that is wrong and why.
    pub fn expose(text: &str) -> Result<Vec<Forward>, ForwardError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ForwardError::Empty);
        }
        let port = |text: &str| match text.trim().parse() {
            Ok(TailnetText(listen)) => Ok(listen),
            Err(error) => Err(ForwardError::Listen(error)),
        };
        if let Some((listen, targets)) = text.split_once('=') {
            return forwards(port(listen)?, None, targets.trim().parse()?);
        }
        let only_a_port =
            text.starts_with(|c: char| c.is_ascii_digit()) && !text.contains([':', '.']);
        // A host may be called svc: svc:80 is its port.
        let of_a_service = text.starts_with(service_name::PREFIX) && text.matches(':').count() > 1;
        if only_a_port || of_a_service {
            let listen = port(text)?;
            let ports = listen.ports();
            let target = ports.map(|ports| TargetText::Network(Host::LOOPBACK, ports));
            return forwards(listen, None, Targets(target.into_iter().collect()));
        }
        let targets: Targets = text.parse()?;
        forwards(targets.own_ports()?, None, targets)
    }

    /// Reads `LOCAL=HOST:PORT[|HOST:PORT…]`; a range gives one forward for each port.
    ///
    /// # Errors
    /// Names the side that is wrong and why.
    pub fn connect(text: &str) -> Result<Vec<Forward>, ForwardError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ForwardError::Empty);
        }
        let (local, targets) = text.split_once('=').ok_or(ForwardError::NoLocal)?;
        let LocalText(listen) = local.trim().parse().map_err(ForwardError::Local)?;
        forwards(listen, None, targets.trim().parse()?)
    }
}

impl ListenText {
    /// Its ports, if it has any.
    fn ports(&self) -> Option<Ports> {
        match self {
            ListenText::Tailnet(ports, _)
            | ListenText::Service(_, ports, _)
            | ListenText::Local(_, ports, _) => Some(*ports),
            ListenText::Unix(_) => None,
        }
    }

    /// The protocol that is written behind it.
    fn protocol(&self) -> Option<Protocol> {
        match self {
            ListenText::Tailnet(_, protocol)
            | ListenText::Service(_, _, protocol)
            | ListenText::Local(_, _, protocol) => *protocol,
            ListenText::Unix(_) => None,
        }
    }

    /// Each place to listen in, in order.
    fn each(self, protocol: Protocol) -> Vec<Listen> {
        match self {
            ListenText::Tailnet(ports, _) => ports
                .each()
                .map(|port| Listen::Tailnet { port, protocol })
                .collect(),
            ListenText::Service(service, ports, _) => ports
                .each()
                .map(|port| (service.clone(), port))
                .map(|(service, port)| Listen::Service { service, port })
                .collect(),
            ListenText::Local(address, ports, _) => ports
                .each()
                .map(|port| SocketAddr::new(address, port))
                .map(|address| Listen::Local { address, protocol })
                .collect(),
            ListenText::Unix(path) => vec![Listen::Unix(path)],
        }
    }
}

/// One forward for each port of the listening side, without a name and with no options set.
/// `protocol` is what is said beside the listening side.
///
/// # Errors
/// What the two sides and the protocol contradict each other in.
pub(super) fn forwards(
    listen: ListenText,
    protocol: Option<Protocol>,
    Targets(targets): Targets,
) -> Result<Vec<Forward>, ForwardError> {
    let written = listen.protocol();
    if written.is_some() && protocol.is_some() && written != protocol {
        let why = "the protocol and the listening side contradict each other: say it once";
        return Err(ForwardError::Protocol(why));
    }
    let protocol = written.or(protocol).unwrap_or_default();
    let connects = matches!(listen, ListenText::Local(..) | ListenText::Unix(_));
    if matches!(listen, ListenText::Service(..)) && protocol != Protocol::Tcp {
        return Err(ForwardError::Protocol(SERVICE_TCP));
    }
    if connects && protocol == Protocol::Tls {
        return Err(ForwardError::Protocol(TLS_CONNECT));
    }
    if matches!(listen, ListenText::Unix(_)) && protocol == Protocol::Udp {
        return Err(ForwardError::Protocol(UNIX_UDP));
    }
    let count = listen.ports().map_or(1, Ports::count);
    if count > Forward::MOST {
        return Err(ForwardError::TooLong(count));
    }
    // One list of targets for each port, all to be filled one target at a time.
    let mut all: Vec<Vec<Target>> = vec![Vec::new(); count];
    for target in targets {
        match target {
            TargetText::Network(host, ports) => {
                if ports.count() != count {
                    let shown = format!("{}:{ports}", shown(&host));
                    return Err(ForwardError::Lengths(count, shown, ports.count()));
                }
                for (targets, port) in all.iter_mut().zip(ports.each()) {
                    let host = host.clone();
                    targets.push(Target::Network { host, port });
                }
            }
            TargetText::Unix(_) if connects => return Err(ForwardError::NoUnix(UNIX_CONNECT)),
            TargetText::Unix(_) if protocol == Protocol::Udp => {
                return Err(ForwardError::NoUnix(UNIX_UDP));
            }
            TargetText::Unix(_) if count > 1 => return Err(ForwardError::NoUnix(UNIX_RANGE)),
            TargetText::Unix(path) => all
                .iter_mut()
                .for_each(|targets| targets.push(Target::Unix(path.clone()))),
        }
    }
    let forwards = listen.each(protocol).into_iter().zip(all);
    let forward = |(listen, targets)| Forward {
        name: None,
        listen,
        targets,
        options: ForwardOptions::default(),
    };
    Ok(forwards.map(forward).collect())
}

/// A host as it is written in front of a port.
fn shown(host: &Host) -> String {
    match host {
        Host::Ip(address) if address.is_ipv6() => format!("[{address}]"),
        Host::Ip(address) => address.to_string(),
        Host::Name(name) => name.clone(),
    }
}

#[cfg(test)]
mod tests;
