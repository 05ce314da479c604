//! TLS, ended here: a listener whose connections begin with a handshake, and the
//! stream of what is inside.
//!
//! The two ends of a TLS stream are its close_notify alerts. A transport that ends
//! without one has been cut off, and counts as a reset. TLS 1.2 and 1.3, no client
//! certificates, no ALPN: what flows inside is the target's business.

mod certificates;
mod stream;

use std::{io, net::SocketAddr, sync::Arc};

use tokio_rustls::{TlsAcceptor, rustls};

pub use certificates::{Certificates, Unusable};
pub use stream::TlsStream;

use super::{
    endpoint::{Accept, Incoming},
    peer::Peer,
};

/// A listener whose connections speak TLS.
pub struct TlsListener<A> {
    inner: A,
    acceptor: TlsAcceptor,
}

impl<A> TlsListener<A> {
    /// Speaks TLS on a listener's connections, with the certificate that
    /// `certificates` holds when each of them arrives.
    ///
    /// # Errors
    /// When the TLS library refuses its own defaults.
    pub fn new(inner: A, certificates: &Arc<Certificates>) -> Result<Self, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(certificates) as _);
        Ok(Self {
            inner,
            acceptor: Arc::new(config).into(),
        })
    }
}

impl<A: Accept> Accept for TlsListener<A> {
    type Incoming = TlsIncoming<A::Incoming>;

    const BY_HAND: bool = A::BY_HAND;

    async fn accept(&mut self) -> io::Result<Self::Incoming> {
        let inner = self.inner.accept().await?;
        let acceptor = self.acceptor.clone();
        Ok(TlsIncoming { inner, acceptor })
    }
}

/// A connection that has arrived; nothing has been said yet.
pub struct TlsIncoming<I> {
    inner: I,
    acceptor: TlsAcceptor,
}

impl<I: Incoming> Incoming for TlsIncoming<I> {
    type Stream = TlsStream<I::Stream>;

    fn peer(&self) -> Peer {
        self.inner.peer()
    }

    fn local(&self) -> Option<SocketAddr> {
        self.inner.local()
    }

    fn claim(self) -> io::Result<Self::Stream> {
        Ok(TlsStream::new(self.inner.claim()?, &self.acceptor))
    }

    fn refuse(self) {
        self.inner.refuse();
    }
}
