//! A UDP socket of this machine as a source of flows: datagrams are sorted by the
//! address that they come from.
//!
//! One socket serves all of its clients. Each has a bounded queue of its own, so
//! that one whose flow is slow loses its own datagrams only.

use std::{
    collections::HashMap,
    io,
    net::{SocketAddr, UdpSocket as StdUdpSocket},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use rustix::io::Errno;
use socket2::SockRef;
use tokio::net::UdpSocket;

use super::{
    super::peer::Peer,
    link::{FlowIncoming, FlowSource, Link, Sent},
    queue::{Adding, Waiting, queue},
};

/// Longer than any datagram.
pub(in crate::proxy) const LONGEST: usize = 64 * 1024;
/// The kernel's queue for all clients, in bytes, as far as it grants them: what comes
/// while the process does something else.
const KERNEL_QUEUE: usize = 1024 * 1024;

/// A UDP socket of this machine that takes clients.
#[derive(Debug)]
pub struct UdpListener {
    socket: Arc<UdpSocket>,
    clients: Arc<Clients>,
    buffer: Vec<u8>,
    /// The flows so far, a number for the next.
    flows: u64,
}

impl UdpListener {
    /// Listens on an address; port 0 takes a free one.
    ///
    /// # Errors
    /// What the kernel answers, for example that the address is in use.
    ///
    /// # Cancel safety
    /// Dropping the future closes the socket.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        UdpSocket::bind(address).await.map(Self::on)
    }

    /// Takes a socket that somebody else has bound. Needs a tokio runtime.
    ///
    /// # Errors
    /// What the kernel answers.
    pub fn passed(socket: StdUdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        UdpSocket::from_std(socket).map(Self::on)
    }

    fn on(socket: UdpSocket) -> Self {
        // As much as there is: less is no reason to do without.
        let _ = SockRef::from(&socket).set_recv_buffer_size(KERNEL_QUEUE);
        Self {
            socket: Arc::new(socket),
            clients: Arc::default(),
            buffer: vec![0; LONGEST],
            flows: 0,
        }
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// What the kernel answers.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Puts a datagram into its flow's queue; a new flow if there is none.
    fn sort(&mut self, client: SocketAddr, length: usize) -> Option<UdpIncoming> {
        let datagram = Bytes::copy_from_slice(self.buffer.get(..length)?);
        let mut clients = self.clients.lock();
        if let Some(entry) = clients.get(&client) {
            entry.queue.add(datagram);
            return None;
        }
        self.flows += 1;
        let (queue, waiting) = queue();
        queue.add(datagram);
        let entry = Entry {
            flow: self.flows,
            queue,
        };
        let link = UdpLink {
            socket: Arc::clone(&self.socket),
            clients: Arc::clone(&self.clients),
            client,
            flow: self.flows,
            waiting,
        };
        clients.insert(client, entry);
        Some(UdpIncoming(link))
    }
}

impl FlowSource for UdpListener {
    type Incoming = UdpIncoming;

    async fn next(&mut self) -> io::Result<UdpIncoming> {
        loop {
            let (length, client) = match self.socket.recv_from(&mut self.buffer).await {
                Ok(received) => received,
                // Some systems report here what became of an answer to a client.
                Err(error) if gone(&error) => continue,
                Err(error) => return Err(error),
            };
            if let Some(incoming) = self.sort(client, length) {
                return Ok(incoming);
            }
        }
    }
}

/// The flows that a socket has, by their clients. An entry goes with its link, so
/// that there are never more than slots, and one that is just arriving.
#[derive(Debug, Default)]
struct Clients(Mutex<HashMap<SocketAddr, Entry>>);

impl Clients {
    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Entry {
    flow: u64,
    queue: Adding,
}

/// A client's first datagram.
#[derive(Debug)]
pub struct UdpIncoming(UdpLink);

impl FlowIncoming for UdpIncoming {
    type Link = UdpLink;

    fn peer(&self) -> Peer {
        self.0.client.into()
    }

    fn claim(self) -> io::Result<UdpLink> {
        Ok(self.0)
    }

    fn refuse(self) {
        // Dropped, its client is forgotten.
    }
}

/// A client of a UDP socket.
#[derive(Debug)]
pub struct UdpLink {
    socket: Arc<UdpSocket>,
    clients: Arc<Clients>,
    client: SocketAddr,
    flow: u64,
    waiting: Waiting,
}

impl Link for UdpLink {
    async fn recv(&mut self) -> io::Result<Option<Bytes>> {
        Ok(self.waiting.next().await)
    }

    async fn send(&mut self, datagram: &[u8]) -> io::Result<Sent> {
        sent(self.socket.send_to(datagram, self.client).await)
    }

    fn dropped(&self) -> u64 {
        self.waiting.dropped()
    }
}

impl Drop for UdpLink {
    fn drop(&mut self) {
        let mut clients = self.clients.lock();
        if clients
            .get(&self.client)
            .is_some_and(|entry| entry.flow == self.flow)
        {
            clients.remove(&self.client);
        }
    }
}

/// What a kernel's answer to a send means: that one datagram cannot go does not end
/// a flow.
pub(in crate::proxy) fn sent(result: io::Result<usize>) -> io::Result<Sent> {
    match result {
        Ok(_) => Ok(Sent::Whole),
        Err(error) => match Errno::from_io_error(&error) {
            Some(Errno::MSGSIZE | Errno::NOBUFS | Errno::NOMEM) => Ok(Sent::Dropped),
            _ => Err(error),
        },
    }
}

/// Whether a socket that has no peer of its own says what became of something that it
/// had sent, which is no reason to stop reading it.
pub(in crate::proxy) fn gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset
    )
}
