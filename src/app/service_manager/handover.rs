//! What the service manager gave the process at its start: where it is to be told how things
//! are, how often it wants to hear, and listeners.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

use super::environment::{Environment, number, value};
use super::sockets::Sockets;
use crate::app::failure::Failure;

/// What was given; nothing where there is no service manager.
#[derive(Debug, Default)]
pub(in crate::app) struct Handover {
    /// Connected to the manager.
    pub(super) socket: Option<UnixDatagram>,
    /// The manager ends a service that is silent for longer.
    pub(super) watchdog: Option<Duration>,
    /// What it has bound.
    pub(in crate::app) sockets: Sockets,
}

impl Handover {
    /// Takes what the environment names. A manager that cannot be told anything is no reason
    /// not to forward: it is logged.
    ///
    /// # Errors
    /// Listeners that cannot be used.
    pub(in crate::app) fn take(environment: &Environment) -> Result<Self, Failure> {
        let socket = value(environment, "NOTIFY_SOCKET").and_then(|place| {
            connect(place)
                .inspect_err(|error| {
                    tracing::warn!(socket = %place.display(), %error, "the service manager \
                        (NOTIFY_SOCKET) cannot be told anything");
                })
                .ok()
        });
        Ok(Self {
            socket,
            watchdog: watchdog(environment),
            sockets: Sockets::take(environment)?,
        })
    }
}

/// Connects to a path, or to the abstract name after an `@`.
fn connect(place: &OsStr) -> io::Result<UnixDatagram> {
    let mut name = place.as_bytes().to_vec();
    match name.first_mut() {
        Some(b'/') => {}
        Some(first @ b'@') => *first = 0,
        _ => {
            let text = "it is neither an absolute path nor a name after an @";
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
    }
    let socket = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
    socket.connect(&SockAddr::unix(OsStr::from_bytes(&name))?)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// The manager's limit, unless it is meant for another process.
fn watchdog(environment: &Environment) -> Option<Duration> {
    let other = |pid: u64| pid != u64::from(std::process::id());
    if value(environment, "WATCHDOG_PID").is_some()
        && number(environment, "WATCHDOG_PID").is_none_or(other)
    {
        return None;
    }
    let limit = number(environment, "WATCHDOG_USEC").filter(|limit| *limit > 0)?;
    Some(Duration::from_micros(limit))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        let owned = pairs
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        owned.collect()
    }

    #[test]
    fn the_watchdog_is_ours_or_nobodys() {
        let own = std::process::id().to_string();
        let limit = |pairs: &[(&str, &str)]| watchdog(&environment(pairs));
        let minute = Some(Duration::from_secs(60));
        assert_eq!(limit(&[("WATCHDOG_USEC", "60000000")]), minute);
        let ours = [("WATCHDOG_USEC", "60000000"), ("WATCHDOG_PID", &own)];
        assert_eq!(limit(&ours), minute);
        assert_eq!(
            limit(&[("WATCHDOG_USEC", "60000000"), ("WATCHDOG_PID", "1")]),
            None
        );
        for none in ["", "0", "-1", "soon"] {
            assert_eq!(limit(&[("WATCHDOG_USEC", none)]), None, "{none}");
        }
    }

    #[test]
    fn the_manager_is_found_at_a_path_and_by_a_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let mut places = vec![(path.to_str().unwrap().to_owned(), manager)];
        if cfg!(target_os = "linux") {
            let name = format!("tailport-test-{:016x}", fastrand::u64(..));
            let socket = Socket::new(Domain::UNIX, Type::DGRAM, None).unwrap();
            let address = SockAddr::unix(format!("\0{name}")).unwrap();
            socket.bind(&address).unwrap();
            places.push((format!("@{name}"), socket.into()));
        }
        for (place, manager) in places {
            let handover = Handover::take(&environment(&[("NOTIFY_SOCKET", &place)])).unwrap();
            handover.socket.expect(&place).send(b"READY=1").unwrap();
            let mut message = [0; 16];
            let length = manager.recv(&mut message).unwrap();
            assert_eq!(&message[..length], b"READY=1", "{place}");
        }
    }

    #[test]
    fn a_manager_that_is_not_there_is_done_without() {
        for place in ["", "vsock:2:1", "relative", "/nowhere/notify"] {
            let handover = Handover::take(&environment(&[("NOTIFY_SOCKET", place)])).unwrap();
            assert!(handover.socket.is_none(), "{place}");
        }
        assert!(Handover::take(&[]).unwrap().socket.is_none());
    }
}
