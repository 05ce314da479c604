//! UDP flows of the tailnet, as the proxy knows them.

use std::{io, time::Duration};

use bytes::Bytes;
use tokio::time::timeout;

use super::{
    super::{
        endpoint::DialError,
        peer::Peer,
        udp::{FlowIncoming, FlowSource, FlowTarget, Link, Sent},
    },
    NodeTarget, detail, gone, kind_of,
};
use crate::tailnet;

/// How long a datagram waits for room towards the Go half, which takes them all the
/// time: a stuck one must not hold the flow.
const ROOM: Duration = Duration::from_secs(1);

/// A UDP port of the node.
#[derive(Debug)]
pub struct NodeFlowListener(tailnet::FlowListener);

impl NodeFlowListener {
    /// Takes the flows of a port that the node has opened.
    pub fn new(listener: tailnet::FlowListener) -> Self {
        Self(listener)
    }
}

impl FlowSource for NodeFlowListener {
    type Incoming = NodeFlowIncoming;

    async fn next(&mut self) -> io::Result<NodeFlowIncoming> {
        self.0.accept().await.map(NodeFlowIncoming).map_err(gone)
    }
}

/// A flow that a peer has begun.
#[derive(Debug)]
pub struct NodeFlowIncoming(tailnet::IncomingFlow);

impl FlowIncoming for NodeFlowIncoming {
    type Link = NodeFlow;

    fn peer(&self) -> Peer {
        self.0.remote().into()
    }

    fn claim(self) -> io::Result<NodeFlow> {
        self.0.claim().map(NodeFlow)
    }

    fn refuse(self) {
        // Dropped unclaimed it ends, without a descriptor ever made for it.
    }
}

impl FlowTarget for NodeTarget {
    type Link = NodeFlow;

    async fn dial(&self, budget: Duration) -> Result<NodeFlow, DialError> {
        match self.dialer.dial_udp(&self.address, budget).await {
            Ok(flow) => Ok(NodeFlow(flow)),
            Err(error) => Err(DialError::new(kind_of(&error), detail(&error))),
        }
    }
}

/// A flow over the tailnet.
#[derive(Debug)]
pub struct NodeFlow(tailnet::Flow);

impl Link for NodeFlow {
    async fn recv(&mut self) -> io::Result<Option<Bytes>> {
        let mut datagram = Vec::new();
        let alive = self.0.recv(&mut datagram).await?;
        Ok(alive.then(|| datagram.into()))
    }

    async fn send(&mut self, datagram: &[u8]) -> io::Result<Sent> {
        if datagram.len() > tailnet::DATAGRAM_MAX {
            return Ok(Sent::Dropped);
        }
        match timeout(ROOM, self.0.send(datagram)).await {
            Ok(sent) => sent.map(|()| Sent::Whole),
            Err(_) => Ok(Sent::Dropped),
        }
    }
}
