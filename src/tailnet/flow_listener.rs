//! Accepting UDP flows from the tailnet.

use std::io;
use std::net::SocketAddr;

use super::connection::ConnectionId;
use super::error::Error;
use super::flow::Flow;
use super::listener::{Incoming, Listener};
use super::partings::Partings;
use super::sys::NodeHandle;

/// A UDP port of the node that peers can reach.
///
/// Dropping it closes the port and ends every flow that it has announced and
/// nobody has claimed. Claimed flows go on.
#[derive(Debug)]
pub struct FlowListener {
    listener: Listener,
}

impl FlowListener {
    /// Opens a port; see [`super::Node::listen_udp`].
    pub(super) async fn open(
        node: NodeHandle,
        partings: &Partings,
        port: u16,
    ) -> Result<Self, Error> {
        let listener = Listener::open(node, partings, c"udp", format!(":{port}")).await?;
        Ok(Self { listener })
    }

    /// Where it listens, as the Go half says it.
    pub fn address(&self) -> &str {
        self.listener.address()
    }

    /// The next flow, announced by its first datagram. Flows that are not taken
    /// wait, up to a bound; beyond it, datagrams of others are dropped.
    ///
    /// # Errors
    ///
    /// Any error is final: the port is closed.
    ///
    /// # Cancel safety
    ///
    /// Safe: no flow is lost.
    pub async fn accept(&mut self) -> io::Result<IncomingFlow> {
        let incoming = self.listener.accept().await?;
        Ok(IncomingFlow { incoming })
    }
}

/// A flow from a peer that nobody has taken yet: its first datagrams wait.
/// Dropping it ends the flow.
#[derive(Debug)]
pub struct IncomingFlow {
    incoming: Incoming,
}

impl IncomingFlow {
    /// The flow's number, for logs.
    pub fn id(&self) -> ConnectionId {
        self.incoming.id()
    }

    /// The client's address and port.
    pub fn remote(&self) -> SocketAddr {
        self.incoming.remote()
    }

    /// The address and port of this node that it reached.
    pub fn local(&self) -> SocketAddr {
        self.incoming.local()
    }

    /// Takes the flow: a plain call that never waits; needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// `EMFILE` and its like when there is no descriptor to be had, `EBADF` when
    /// the flow has ended or the listener has been dropped. The flow ends in each
    /// case.
    pub fn claim(self) -> io::Result<Flow> {
        self.incoming.claim_as(Flow::claim)
    }
}
