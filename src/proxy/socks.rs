//! SOCKS5 (RFC 1928): a listener whose clients say where they want to be led.
//!
//! The conversation is the opening step of the client's stream; what comes after it
//! is an ordinary connection, with the same slot, relay and closing line. Names are
//! passed on as they are and never resolved here: the target decides what a name is.
//! CONNECT and UDP ASSOCIATE; BIND is answered as not supported.
//!
//! A client that asks for UDP ASSOCIATE gets a UDP socket of its own, on the address
//! that its TCP connection came by. What it sends there goes to the destinations that
//! its datagrams name, each a flow of [`udp`](super::udp) with a slot of its own, and
//! what they answer comes back under the same name. All of it ends with the TCP
//! connection, whose closing line tells what was carried.
//!
//! | file | its one idea |
//! |---|---|
//! | `messages` | what is said, as bytes |
//! | `rules` | who may use it, and where it leads |
//! | `stream` | the conversation |
//! | `target` | where CONNECT goes |
//! | `client` | the socket for a client's datagrams |
//! | `association` | its datagrams, sorted by destination |
//!
//! The messages are read and written by hand, in `messages`, without I/O. Of the
//! crates that know them `socks5-proto` and `socks5-impl` are under the GPL,
//! `fast-socks5` writes passwords to its debug log, resolves names by itself and
//! brings second versions of two crates, `socks5-protocol` has rested for years,
//! and `tor-socksproto` brings sixty others.

mod association;
mod client;
mod messages;
mod rules;
mod stream;
mod target;

use std::{io, net::SocketAddr, sync::Arc};

use self::association::Make;
pub use self::{
    rules::{Login, NoEntry, NoLogin, Reach, Rules},
    stream::SocksStream,
    target::SocksTarget,
};
use super::{
    destination::Destination,
    endpoint::{Accept, Incoming},
    peer::Peer,
    udp::FlowTarget,
};

/// A listener whose clients speak SOCKS5; its forward's target is a [`SocksTarget`].
pub struct SocksListener<A, T> {
    inner: A,
    rules: Arc<Rules>,
    make: Make<T>,
}

impl<A, T> SocksListener<A, T> {
    /// Speaks SOCKS5 on a listener's connections. `make` decides by what datagrams
    /// are led to their destinations: it is the only way that is taken.
    pub fn new(
        inner: A,
        rules: Rules,
        make: impl Fn(&Destination) -> T + Send + Sync + 'static,
    ) -> Self {
        Self {
            inner,
            rules: Arc::new(rules),
            make: Arc::new(make),
        }
    }
}

impl<A: Accept, T: FlowTarget> Accept for SocksListener<A, T> {
    type Incoming = SocksIncoming<A::Incoming, T>;

    async fn accept(&mut self) -> io::Result<Self::Incoming> {
        let inner = self.inner.accept().await?;
        Ok(SocksIncoming {
            inner,
            rules: Arc::clone(&self.rules),
            make: Arc::clone(&self.make),
        })
    }
}

/// A client that has arrived; nothing has been said yet.
pub struct SocksIncoming<I, T> {
    inner: I,
    rules: Arc<Rules>,
    make: Make<T>,
}

impl<I: Incoming, T: FlowTarget> Incoming for SocksIncoming<I, T> {
    type Stream = SocksStream<I::Stream, T>;

    fn peer(&self) -> Peer {
        self.inner.peer()
    }

    fn local(&self) -> Option<SocketAddr> {
        self.inner.local()
    }

    fn claim(self) -> io::Result<Self::Stream> {
        let inner = self.inner.claim()?;
        Ok(SocksStream::new(inner, self.rules, self.make))
    }

    fn refuse(self) {
        self.inner.refuse();
    }
}
