//! A connect that is waited for only if the kernel has not made the connection at once.
//!
//! To an address of this machine it has: then no timer is set, and the runtime never hears
//! of a socket that is lent away before its first byte.

use std::{
    io,
    net::{SocketAddr, TcpStream as StdTcpStream},
    os::fd::OwnedFd,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, ioctl_fionbio},
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;

/// Connects a socket, which does not block.
///
/// # Errors
/// What the kernel answers.
///
/// # Cancel safety
/// Dropping the future closes the socket.
pub(in crate::proxy) async fn connect(address: SocketAddr) -> io::Result<OwnedFd> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    ioctl_fionbio(&socket, true)?;
    match socket.connect(&address.into()) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::INPROGRESS) => {}
        connected => return connected.map(|()| socket.into()),
    }
    let socket = if is_over(&socket)? {
        StdTcpStream::from(socket)
    } else {
        let waited = TcpStream::from_std(socket.into())?;
        waited.writable().await?;
        waited.into_std()?
    };
    socket.take_error()?.map_or(Ok(socket.into()), Err)
}

/// Whether a connect has an outcome.
fn is_over(socket: &Socket) -> io::Result<bool> {
    let mut asked = [PollFd::new(socket, PollFlags::OUT)];
    Ok(poll(&mut asked, Some(&Timespec::default()))? > 0)
}
