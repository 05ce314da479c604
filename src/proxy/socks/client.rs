//! The datagrams of one client: a socket for it alone, which hears nobody else.

use std::{
    future::poll_fn,
    io,
    mem::MaybeUninit,
    net::{IpAddr, SocketAddr},
    sync::{Arc, OnceLock},
    task::{Poll, ready},
};

use bytes::Bytes;
use tokio::{io::ReadBuf, net::UdpSocket};

use super::{
    super::{
        destination::{Destination, Host},
        origin::Origin,
        udp::{LONGEST, Link, Sent, Waiting, gone, sent},
    },
    messages,
};

/// A client's socket.
#[derive(Debug)]
pub(super) struct Client {
    socket: UdpSocket,
    host: IpAddr,
    /// The port that it says it sends from, if it does.
    port: Option<u16>,
    /// Where it sends from: the first address that was heard, and no other then.
    address: OnceLock<SocketAddr>,
}

/// What a client sends.
#[derive(Debug)]
pub(super) struct Received {
    /// The header as it came, which is also that of the answers.
    pub(super) header: Bytes,
    /// Where it is to go; `None` when it can go nowhere.
    pub(super) destination: Option<Destination>,
    pub(super) content: Bytes,
}

impl Client {
    /// A socket for the client of a connection, on the address that it came by, with
    /// a port that the system chooses. `from` is where the client says that it will
    /// send from: believed when it is its own address, because many do not know.
    pub(super) async fn bind(origin: &Origin, from: Option<&Destination>) -> io::Result<Self> {
        let (Some(mut own), Some(peer)) = (origin.local, origin.peer.address()) else {
            let detail = "datagrams need a client that has an address";
            return Err(io::Error::new(io::ErrorKind::Unsupported, detail));
        };
        own.set_ip(own.ip().to_canonical());
        own.set_port(0);
        let host = peer.ip();
        let from = from.filter(|from| *from.host() == Host::Address(host));
        Ok(Self {
            socket: UdpSocket::bind(own).await?,
            host,
            port: from.map(Destination::port),
            address: OnceLock::new(),
        })
    }

    /// Where the client is to send to.
    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The next datagram of the client; what others send is ignored. Cancel safe.
    pub(super) async fn recv(&self) -> io::Result<Received> {
        loop {
            let received = poll_fn(|cx| {
                // On the stack while it is asked, so that an idle client holds no buffer.
                let mut space = [MaybeUninit::uninit(); LONGEST];
                let mut buffer = ReadBuf::uninit(&mut space);
                let from = ready!(self.socket.poll_recv_from(cx, &mut buffer))?;
                let datagram = Bytes::copy_from_slice(buffer.filled());
                Poll::Ready(io::Result::Ok((datagram, from)))
            })
            .await;
            let (datagram, from) = match received {
                Ok(received) => received,
                Err(error) if gone(&error) => continue,
                Err(error) => return Err(error),
            };
            let port = self.address.get().map(SocketAddr::port).or(self.port);
            if from.ip() != self.host || port.is_some_and(|port| port != from.port()) {
                continue;
            }
            let read = messages::datagram(&datagram);
            if read.is_some() {
                // Whoever speaks SOCKS5 first is the client.
                let _ = self.address.set(from);
            }
            let (destination, length) = read.map_or((None, 0), |(destination, length)| {
                (Some(destination), length)
            });
            return Ok(Received {
                header: datagram.slice(..length),
                destination,
                content: datagram.slice(length..),
            });
        }
    }

    async fn send(&self, header: &[u8], content: &[u8]) -> io::Result<Sent> {
        match self.address.get() {
            Some(address) => {
                let datagram = [header, content].concat();
                sent(self.socket.send_to(&datagram, address).await)
            }
            None => Ok(Sent::Dropped),
        }
    }
}

/// What goes between a client and one of its destinations.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) client: Arc<Client>,
    pub(super) header: Bytes,
    pub(super) waiting: Waiting,
}

impl Link for Way {
    async fn recv(&mut self) -> io::Result<Option<Bytes>> {
        Ok(self.waiting.next().await)
    }

    async fn send(&mut self, datagram: &[u8]) -> io::Result<Sent> {
        self.client.send(&self.header, datagram).await
    }

    fn dropped(&self) -> u64 {
        self.waiting.dropped()
    }
}
