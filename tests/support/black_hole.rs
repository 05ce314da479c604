//! A port that answers nothing: a listener whose queue is full, so that the kernel
//! drops every further SYN, as a firewall would.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// How long a connect must stay without an answer to be taken for dropped.
const SILENCE: Duration = Duration::from_millis(200);

/// The port, a black hole for as long as this is kept.
pub(crate) struct BlackHole {
    address: SocketAddr,
    _listener: Socket,
    _queued: Vec<TcpStream>,
}

impl BlackHole {
    /// Makes one on loopback.
    pub(crate) fn new() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("making a socket");
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        listener.bind(&any.into()).expect("binding to loopback");
        listener.listen(0).expect("listening");
        let address = listener.local_addr().expect("a listener has an address");
        let address = address.as_socket().expect("an IPv4 address");
        let mut queued = Vec::new();
        loop {
            assert!(queued.len() < 16, "the queue of {address} never fills");
            match TcpStream::connect_timeout(&address, SILENCE) {
                Ok(stream) => queued.push(stream),
                Err(error) if error.kind() == ErrorKind::TimedOut => break,
                Err(error) => panic!("filling the queue of {address}: {error}"),
            }
        }
        Self {
            address,
            _listener: listener,
            _queued: queued,
        }
    }

    /// The address that answers nothing.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}
