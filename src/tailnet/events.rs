//! What a node says of itself while it lives, and what the Go half logs.

use super::error::Error;
use super::mailbox::Mailbox;
use super::message::{Log, LogLine, NodeInfo, Warning, Watch};
use super::sys::{self, NodeHandle};

/// A change of a node. The state of things at the beginning comes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The backend's state, for example `Running` or `NeedsLogin`.
    State(String),
    /// A person can log the node in here.
    Login {
        /// Where.
        url: String,
    },
    /// Who the node is now.
    Node(NodeInfo),
    /// All that is not well now; empty when all is.
    Health(Vec<Warning>),
    /// Peers or users of the tailnet are others than before: what was learnt about
    /// them may be outdated. Several changes may be one event.
    PeersChanged,
}

/// A node's changes; dropping it stops the watching.
#[derive(Debug)]
pub struct Events {
    mailbox: Mailbox<Watch>,
}

impl Events {
    /// Watches a node; see [`super::Node::watch`].
    pub(super) fn open(node: NodeHandle) -> Result<Self, Error> {
        let failed = || Error::call("watching the node");
        let fd = sys::watch(node).map_err(failed())?;
        Ok(Self {
            mailbox: Mailbox::new(fd).map_err(failed())?,
        })
    }

    /// The next change or trouble; `None` when no more will come. Trouble of kind
    /// `closed` is the last.
    ///
    /// # Cancel safety
    ///
    /// Safe: no event is lost.
    pub async fn next(&mut self) -> Option<Result<Event, Error>> {
        Some(match self.mailbox.next().await? {
            Ok(Watch::State { state }) => Ok(Event::State(state)),
            Ok(Watch::Login { url }) => Ok(Event::Login { url }),
            Ok(Watch::Node { node }) => Ok(Event::Node(node)),
            Ok(Watch::Health { warnings }) => Ok(Event::Health(warnings)),
            Ok(Watch::Peers) => Ok(Event::PeersChanged),
            Ok(Watch::Error(failure)) => Err(failure.into()),
            Err(error) => Err(error.into()),
        })
    }
}

/// The log lines of the Go half; dropping it silences them.
#[derive(Debug)]
pub struct Logs {
    mailbox: Mailbox<Log>,
}

/// Opens the log mailbox; needs a tokio runtime. A newer one ends the older one.
///
/// # Errors
///
/// [`Error::Call`] when there is no descriptor to be had.
pub fn logs() -> Result<Logs, Error> {
    let failed = || Error::call("opening the log of the tailnet");
    let fd = sys::logs().map_err(failed())?;
    Ok(Logs {
        mailbox: Mailbox::new(fd).map_err(failed())?,
    })
}

impl Logs {
    /// The next line; `None` when no more will come.
    ///
    /// # Cancel safety
    ///
    /// Safe: no line is lost.
    pub async fn next(&mut self) -> Option<Result<LogLine, Error>> {
        match self.mailbox.next().await? {
            Ok(Log::Log(line)) => Some(Ok(line)),
            Err(error) => Some(Err(error.into())),
        }
    }
}
