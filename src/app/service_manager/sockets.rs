//! Socket activation: listeners that the service manager has bound, each for one connect.
//!
//! A connect takes the one that has its name, else the one that is bound where it listens.
//! What was passed is kept until the end: the manager keeps the place too, so that a connect
//! that comes back by a reload could not bind it again.

use std::fmt;
use std::io;
use std::os::fd::{OwnedFd, RawFd};

use socket2::{SockRef, Type};

use super::environment::{Environment, number, value};
use crate::app::failure::Failure;
use crate::config::{Forward, Listen, Protocol, SocketAccess};
use crate::exit::Exit;
use crate::tailnet;

/// The descriptor of the first one; the others follow it.
const FIRST: RawFd = 3;

/// As many as forwards there may be.
const MOST: u64 = Forward::MOST as u64;

/// The listeners that were passed.
#[derive(Debug, Default)]
pub(in crate::app) struct Sockets(Vec<Passed>);

#[derive(Debug)]
struct Passed {
    /// As the manager calls it; one name may stand for several.
    name: String,
    /// Where it is bound.
    at: Listen,
    socket: OwnedFd,
}

impl Sockets {
    /// Takes what the environment announces, if it is meant for this process.
    ///
    /// # Errors
    /// What is announced and not there, or cannot be the listener of a connect.
    pub(super) fn take(environment: &Environment) -> Result<Self, Failure> {
        if number(environment, "LISTEN_PID") != Some(u64::from(std::process::id())) {
            return Ok(Self::default());
        }
        let count = match (
            value(environment, "LISTEN_FDS"),
            number(environment, "LISTEN_FDS"),
        ) {
            (None, _) => 0,
            (_, Some(count)) if count <= MOST => count,
            _ => return Err(refused(format!("LISTEN_FDS is no number up to {MOST}"))),
        };
        let names = value(environment, "LISTEN_FDNAMES").map(|names| names.to_string_lossy());
        let mut names = names.as_deref().unwrap_or_default().split(':');
        let descriptors = (FIRST..).take(usize::try_from(count).unwrap_or_default());
        let passed = descriptors.map(|number| {
            let name = names.next().unwrap_or_default().to_owned();
            Passed::take(number, name)
        });
        passed.collect::<Result<_, _>>().map(Self)
    }

    /// The listener of a connect, if there is one for it.
    ///
    /// # Errors
    /// When the one of its name is of another kind, or no descriptor is to be had.
    pub(in crate::app) fn of(&self, forward: &Forward) -> Result<Option<OwnedFd>, Failure> {
        let Some(passed) = self.find(forward) else {
            return Ok(None);
        };
        if !same_kind(&passed.at, &forward.listen) {
            return Err(refused(format!(
                "{passed} cannot be the listener of {} {forward}, which has its name: give it the \
                 same protocol, or another FileDescriptorName=",
                forward.kind()
            )));
        }
        let own_access = forward.options.socket != SocketAccess::default();
        if matches!(passed.at, Listen::Unix(_)) && own_access {
            return Err(refused(format!(
                "{passed} has the mode and owner that the service manager gave it: set SocketMode= \
                 and SocketUser= there, and nothing in connect {forward}"
            )));
        }
        let copy = passed.socket.try_clone().map_err(|error| {
            Failure::new(
                Exit::Other,
                "not_bound",
                format!("taking {passed}: {error}"),
            )
        })?;
        Ok(Some(copy))
    }

    /// Refuses one that no connect would take, and one that two would.
    ///
    /// # Errors
    /// Which one, and what to do.
    pub(in crate::app) fn check(&self, forwards: &[Forward]) -> Result<(), Failure> {
        for passed in &self.0 {
            let takes = |forward: &&Forward| {
                let found = self.find(forward);
                found.is_some_and(|found| std::ptr::eq(found, passed))
            };
            let mut takers = forwards.iter().filter(takes);
            match (takers.next(), takers.next()) {
                (Some(_), None) => {}
                (Some(one), Some(other)) => {
                    return Err(refused(format!(
                        "{passed} would be the listener of connect {one} and of connect {other}: \
                         make it one's by address or by name"
                    )));
                }
                (None, _) => {
                    return Err(refused(format!(
                        "no connect listens on {passed}: give one that address, or the name that \
                         FileDescriptorName= says, or stop the socket unit and restart"
                    )));
                }
            }
        }
        Ok(())
    }

    fn find(&self, forward: &Forward) -> Option<&Passed> {
        let called = |passed: &&Passed| forward.name.as_ref() == Some(&passed.name);
        let there = |passed: &&Passed| passed.at == forward.listen;
        let mut all = self.0.iter();
        all.find(called).or_else(|| self.0.iter().find(there))
    }
}

impl Passed {
    fn take(number: RawFd, name: String) -> Result<Self, Failure> {
        let wrong = |error: io::Error| {
            refused(format!(
                "descriptor {number} ({name}) cannot be the listener of a connect: {error}"
            ))
        };
        let socket = tailnet::inherited(number).map_err(wrong)?;
        let at = place(&SockRef::from(&socket)).map_err(wrong)?;
        Ok(Self { name, at, socket })
    }
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the socket {:?} at {}", self.name, self.at)
    }
}

/// Where a socket is bound that may be a listener.
fn place(socket: &SockRef<'_>) -> io::Result<Listen> {
    let unfit = |text| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    if socket.peer_addr().is_ok() {
        return unfit("it is a connection already: set Accept=no in the socket unit");
    }
    let (kind, address) = (socket.r#type()?, socket.local_addr()?);
    let protocol = match kind {
        Type::STREAM => Protocol::Tcp,
        Type::DGRAM => Protocol::Udp,
        _ => return unfit("it takes neither streams nor datagrams"),
    };
    if let Some(address) = address.as_socket() {
        return Ok(Listen::Local { address, protocol });
    }
    let path = address.as_pathname().and_then(|path| path.to_str());
    match (path.map(str::parse), protocol) {
        (Some(Ok(path)), Protocol::Tcp) => Ok(Listen::Unix(path)),
        _ => unfit("it is none for TCP, for UDP or for streams at a path"),
    }
}

fn same_kind(one: &Listen, other: &Listen) -> bool {
    match (one, other) {
        (Listen::Local { protocol: a, .. }, Listen::Local { protocol: b, .. }) => a == b,
        (Listen::Unix(_), Listen::Unix(_)) => true,
        _ => false,
    }
}

fn refused(detail: String) -> Failure {
    let detail = format!("socket activation: {detail}");
    Failure::new(Exit::Usage, "usage", detail)
}
