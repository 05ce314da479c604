//! SOCKS5 (RFC 1928): a listener whose clients say where they want to be led.
//!
//! The conversation is the opening step of the client's stream; what comes after it
//! is an ordinary connection, with the same slot, relay and closing line. Names are
//! passed on as they are and never resolved here: the target decides what a name is.
//! CONNECT only; BIND and UDP ASSOCIATE are answered as not supported.
//!
//! The messages are read and written by hand, in `messages`, without I/O. Of the
//! crates that know them `socks5-proto` and `socks5-impl` are under the GPL,
//! `fast-socks5` writes passwords to its debug log, resolves names by itself and
//! brings second versions of two crates, `socks5-protocol` has rested for years,
//! and `tor-socksproto` brings sixty others.

mod messages;
mod rules;
mod stream;
mod target;

use std::{io, net::SocketAddr, sync::Arc};

pub use self::{
    rules::{Login, NoEntry, NoLogin, Reach, Rules},
    stream::SocksStream,
    target::SocksTarget,
};
use super::{
    endpoint::{Accept, Incoming},
    peer::Peer,
};

/// A listener whose clients speak SOCKS5; its forward's target is a [`SocksTarget`].
#[derive(Debug)]
pub struct SocksListener<A> {
    inner: A,
    rules: Arc<Rules>,
}

impl<A> SocksListener<A> {
    /// Speaks SOCKS5 on a listener's connections.
    pub fn new(inner: A, rules: Rules) -> Self {
        let rules = Arc::new(rules);
        Self { inner, rules }
    }
}

impl<A: Accept> Accept for SocksListener<A> {
    type Incoming = SocksIncoming<A::Incoming>;

    async fn accept(&mut self) -> io::Result<Self::Incoming> {
        let inner = self.inner.accept().await?;
        let rules = Arc::clone(&self.rules);
        Ok(SocksIncoming { inner, rules })
    }
}

/// A client that has arrived; nothing has been said yet.
#[derive(Debug)]
pub struct SocksIncoming<I> {
    inner: I,
    rules: Arc<Rules>,
}

impl<I: Incoming> Incoming for SocksIncoming<I> {
    type Stream = SocksStream<I::Stream>;

    fn peer(&self) -> Peer {
        self.inner.peer()
    }

    fn local(&self) -> Option<SocketAddr> {
        self.inner.local()
    }

    fn claim(self) -> io::Result<Self::Stream> {
        Ok(SocksStream::new(self.inner.claim()?, self.rules))
    }

    fn refuse(self) {
        self.inner.refuse();
    }
}
