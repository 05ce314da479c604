//! TCP sockets of a test on loopback, with a bound on every wait.

use std::io::{self, ErrorKind, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use super::patience::{PATIENCE, eventually_some};

/// Listens on a free port of loopback.
pub(crate) fn listen() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listening on loopback")
}

/// Where a listener listens.
pub(crate) fn address(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().expect("a listener has an address")
}

/// A port of loopback that is taken and refuses every connection, for as long as
/// the socket is kept.
pub(crate) fn refusing() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("making a socket");
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    socket.bind(&any.into()).expect("binding to loopback");
    let address = socket.local_addr().expect("a bound socket has an address");
    (socket, address.as_socket().expect("an IPv4 address"))
}

/// Connects; every wait on the stream is bounded.
#[track_caller]
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    try_connect(address).unwrap_or_else(|error| panic!("connecting to {address}: {error}"))
}

/// The same where a refusal or a reset may be the answer.
pub(crate) fn try_connect(address: SocketAddr) -> io::Result<TcpStream> {
    TcpStream::connect_timeout(&address, PATIENCE).map(bounded)
}

/// Accepts one connection within the test's patience.
#[track_caller]
pub(crate) fn accept(listener: &TcpListener) -> TcpStream {
    accept_within(listener, PATIENCE)
}

/// Accepts one connection within `deadline`.
#[track_caller]
pub(crate) fn accept_within(listener: &TcpListener, deadline: Duration) -> TcpStream {
    listener.set_nonblocking(true).expect("setting a flag");
    let stream = eventually_some("a connection at the listener", deadline, || match listener
        .accept()
    {
        Ok((stream, _)) => Some(stream),
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(error) => panic!("accepting: {error}"),
    });
    stream.set_nonblocking(false).expect("setting a flag");
    bounded(stream)
}

/// The connection that waits at the listener now, if there is one.
pub(crate) fn accept_now(listener: &TcpListener) -> Option<TcpStream> {
    listener.set_nonblocking(true).expect("setting a flag");
    let (stream, _) = listener.accept().ok()?;
    stream.set_nonblocking(false).expect("setting a flag");
    Some(bounded(stream))
}

/// Closes with a reset.
pub(crate) fn reset(stream: TcpStream) {
    SockRef::from(&stream)
        .set_linger(Some(Duration::ZERO))
        .expect("setting a socket option");
}

/// Reads on to the end and says how it came: `Ok` with the number of bytes for an
/// end of stream.
pub(crate) fn end_of(stream: &mut impl Read) -> io::Result<u64> {
    io::copy(stream, &mut io::sink())
}

/// Whether a connection was closed by the other side, in whichever way, rather
/// than still open when the wait was over.
pub(crate) fn is_closed(end: &io::Result<u64>) -> bool {
    match end {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}

/// Whether it was reset.
pub(crate) fn is_reset<T>(end: &io::Result<T>) -> bool {
    matches!(end, Err(error) if error.kind() == ErrorKind::ConnectionReset)
}

fn bounded(stream: TcpStream) -> TcpStream {
    stream
        .set_read_timeout(Some(PATIENCE))
        .and_then(|()| stream.set_write_timeout(Some(PATIENCE)))
        .expect("setting a timeout");
    stream
}
