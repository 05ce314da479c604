//! Dialing over a node.

use std::ffi::{CStr, CString};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot::{self, Sender};

use super::error::{Error, ErrorKind};
use super::flow::Flow;
use super::hand::{Hand, Take};
use super::mailbox::decode;
use super::message::{Announced, Dial, Message};
use super::options::milliseconds;
use super::partings::Partings;
use super::protocol::ProtocolError;
use super::stream::Stream;
use super::sys::{self, NodeHandle};

/// Dials over a node, from any task. A copy does not keep the node: once it is
/// closed every dial fails with the kind `closed`.
#[derive(Clone, Debug)]
pub struct Dialer {
    handle: NodeHandle,
    partings: Partings,
}

impl Dialer {
    /// A dialer over a node; see [`super::Node::dialer`].
    pub(super) fn new(handle: NodeHandle, partings: Partings) -> Self {
        Self { handle, partings }
    }

    /// Connects to `host:port`, by MagicDNS name or address, within `timeout`. A
    /// dial never leaves the tailnet.
    ///
    /// # Errors
    ///
    /// Any kind of the contract; [`Error::retry`] says whether to try again.
    ///
    /// # Cancel safety
    ///
    /// Safe: the dial is cancelled, and a connection made meanwhile is reset.
    pub async fn dial(&self, address: &str, timeout: Duration) -> Result<Stream, Error> {
        let claim = |announced: &Announced| Stream::claim(announced, &self.partings);
        self.dial_as(c"tcp", address, timeout, claim).await
    }

    /// Makes a UDP flow to `host:port`, by MagicDNS name or address, within
    /// `timeout`. Nothing is sent and no peer is asked, so that success does not
    /// say that one is there. A flow never leaves the tailnet.
    ///
    /// # Errors
    ///
    /// As [`Dialer::dial`], but for what only a peer can answer.
    ///
    /// # Cancel safety
    ///
    /// Safe: a flow made meanwhile ends.
    pub async fn dial_udp(&self, address: &str, timeout: Duration) -> Result<Flow, Error> {
        self.dial_as(c"udp", address, timeout, Flow::claim).await
    }

    async fn dial_as<T>(
        &self,
        network: &CStr,
        address: &str,
        timeout: Duration,
        claim: impl FnOnce(&Announced) -> io::Result<T>,
    ) -> Result<T, Error> {
        let failed = || Error::call("dialing over the tailnet");
        let address = CString::new(address).map_err(|_| Error::Answer {
            kind: ErrorKind::BadAddress,
            detail: format!("dialing {address:?}: an address has no NUL in it"),
        })?;
        let (tell, told) = oneshot::channel();
        let hand = Hand::new(Arc::new(Answer(Mutex::new(Some(tell)))));
        let limit = milliseconds(timeout).max(1);
        let dialing = sys::dial(self.handle, network, &address, limit, &hand);
        let _dialing = dialing.map_err(failed())?;
        let unanswered = |_| ProtocolError::Unanswered {
            mailbox: Dial::MAILBOX,
        };
        match told.await.map_err(unanswered)?? {
            // Claimed before the dial is dropped: that resets what is not.
            Dial::Dialed(announced) => claim(&announced).map_err(failed()),
            Dial::Error(failure) => Err(failure.into()),
        }
    }
}

/// Where a dial's one message goes.
struct Answer(Mutex<Option<Sender<Result<Dial, ProtocolError>>>>);

impl Take for Answer {
    fn take(&self, message: &[u8]) -> bool {
        let waits = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        // One that is dropped untaken in the channel is reset by its dial's end.
        waits.is_some_and(|waits| waits.send(decode(message)).is_ok())
    }
}
