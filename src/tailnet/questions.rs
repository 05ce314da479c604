//! Questions to a node: who an address is, how things are, whether a peer lives,
//! what its certificate is.

use std::ffi::CString;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::certificate::Certificate;
use super::error::Error;
use super::mailbox::Mailbox;
use super::message::{CertificateAnswer, Ping, StatusAnswer, WhoIsAnswer};
use super::options::milliseconds;
use super::peer::{PeerPath, Pong, Status, WhoIs};
use super::protocol::ProtocolError;
use super::sys::{self, NodeHandle};

/// Asks a node, from any task. A copy does not keep the node: once it is closed
/// every question fails with the kind `closed`.
#[derive(Clone, Copy, Debug)]
pub struct Questions {
    handle: NodeHandle,
}

impl Questions {
    /// Questions to a node; see [`super::Node::questions`].
    pub(super) fn new(handle: NodeHandle) -> Self {
        Self { handle }
    }

    /// Who has an address of the tailnet; the node itself is somebody too. The
    /// answer stays true until [`super::Event::PeersChanged`], but for the
    /// capabilities: a change of the tailnet's rules alone is not announced.
    ///
    /// # Errors
    ///
    /// `unknown_peer` when nobody has it, `not_running`, `closed`, or no
    /// descriptor to be had.
    ///
    /// # Cancel safety
    ///
    /// Safe: the question is taken back.
    pub async fn who_is(&self, address: IpAddr) -> Result<WhoIs, Error> {
        let failed = || Error::call("asking who an address is");
        let fd = sys::whois(self.handle, &text(address)?).map_err(failed())?;
        let mut mailbox = Mailbox::new(fd).map_err(failed())?;
        match mailbox.answer().await? {
            WhoIsAnswer::Whois(who) => Ok(who),
            WhoIsAnswer::Error(failure) => Err(failure.into()),
        }
    }

    /// How the node and its peers are now.
    ///
    /// # Errors
    ///
    /// `closed`, or no descriptor to be had.
    ///
    /// # Cancel safety
    ///
    /// Safe: the question is taken back.
    pub async fn status(&self) -> Result<Status, Error> {
        let failed = || Error::call("asking for the node's status");
        let fd = sys::status(self.handle).map_err(failed())?;
        let mut mailbox = Mailbox::new(fd).map_err(failed())?;
        let own = match mailbox.answer().await? {
            StatusAnswer::Own(own) => own,
            StatusAnswer::Error(failure) => return Err(failure.into()),
            StatusAnswer::Peer(_) | StatusAnswer::Complete { .. } => {
                return Err(out_of_turn("status", "peer"));
            }
        };
        let mut peers = Vec::new();
        loop {
            match mailbox.answer().await? {
                StatusAnswer::Peer(peer) => peers.push(peer),
                StatusAnswer::Complete { peers: count } if count == peers.len() => {
                    return Ok(Status { own, peers });
                }
                StatusAnswer::Error(failure) => return Err(failure.into()),
                StatusAnswer::Own(_) | StatusAnswer::Complete { .. } => {
                    return Err(out_of_turn("status", "complete"));
                }
            }
        }
    }

    /// A certificate for one of the node's [`super::NodeInfo::cert_domains`]. The
    /// first one takes a while, up to minutes; it is then kept with the state and
    /// renewed, so that asking again gives what is to be used from now on.
    ///
    /// # Errors
    ///
    /// `no_certificates` when the tailnet offers none for the name, `unreachable`
    /// when none could be had now, `not_running`, `closed`, or no descriptor to be
    /// had.
    ///
    /// # Cancel safety
    ///
    /// Safe: the question is taken back.
    pub async fn certificate(&self, domain: &str) -> Result<Certificate, Error> {
        let failed = || Error::call("getting a certificate");
        let domain = CString::new(domain).map_err(|error| failed()(error.into()))?;
        let fd = sys::certificate(self.handle, &domain).map_err(failed())?;
        let mut mailbox = Mailbox::new(fd).map_err(failed())?;
        match mailbox.answer().await? {
            CertificateAnswer::Certificate(certificate) => Ok(certificate),
            CertificateAnswer::Error(failure) => Err(failure.into()),
        }
    }

    /// Asks the node of an address for a sign of life, within `timeout`. It is
    /// repeated until one comes.
    ///
    /// # Errors
    ///
    /// `unknown_peer`, `timed_out`, `bad_address` for the node's own address,
    /// `not_running`, `closed`, or no descriptor to be had.
    ///
    /// # Cancel safety
    ///
    /// Safe: an answer that comes later is dropped.
    pub async fn ping(&self, address: IpAddr, timeout: Duration) -> Result<Pong, Error> {
        let failed = || Error::call("pinging over the tailnet");
        let timeout = milliseconds(timeout).max(1);
        let fd = sys::ping(self.handle, &text(address)?, timeout).map_err(failed())?;
        let mut mailbox = Mailbox::new(fd).map_err(failed())?;
        match mailbox.answer().await? {
            Ping::Pong {
                latency_us,
                direct,
                relay,
                peer_relay,
            } => Ok(Pong {
                latency: Duration::from_micros(latency_us),
                path: path(direct, relay, peer_relay).ok_or_else(|| out_of_turn("ping", "pong"))?,
            }),
            Ping::Error(failure) => Err(failure.into()),
        }
    }
}

/// The error for a message that may not come now.
fn out_of_turn(mailbox: &'static str, kind: &'static str) -> Error {
    ProtocolError::OutOfTurn { mailbox, kind }.into()
}

/// The one way that is not empty.
fn path(direct: Option<SocketAddr>, relay: String, peer_relay: String) -> Option<PeerPath> {
    let direct = direct.map(PeerPath::Direct);
    let relay = Some(relay).filter(|text| !text.is_empty());
    let peer_relay = Some(peer_relay).filter(|text| !text.is_empty());
    direct
        .or(relay.map(PeerPath::Relay))
        .or(peer_relay.map(PeerPath::PeerRelay))
}

fn text(address: IpAddr) -> Result<CString, Error> {
    CString::new(address.to_string()).map_err(|error| Error::call("asking the node")(error.into()))
}
