//! A node of the tailnet: start, dial, flush, log out, close.

use std::time::Duration;

use tokio::task::JoinHandle;

use super::dialer::Dialer;
use super::error::Error;
use super::events::Events;
use super::flow_listener::FlowListener;
use super::listener::Listener;
use super::mailbox::Mailbox;
use super::message::{Close, Closed, Flush, Flushed, Logout, NodeInfo, Start};
use super::options::{NodeOptions, milliseconds};
use super::partings::Partings;
use super::questions::Questions;
use super::stream::Stream;
use super::sys::{self, NodeHandle};

/// What happens until a node runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartEvent {
    /// The backend's state, for example `NeedsLogin` or `Starting`.
    State(String),
    /// A person must log the node in.
    Login {
        /// Where.
        url: String,
    },
    /// The control server could not be asked yet; it is tried again.
    Waiting {
        /// Why.
        detail: String,
    },
    /// The node runs. Nothing comes after it.
    Running(NodeInfo),
}

/// A node that was started; owns its handle.
///
/// Close it with [`Node::close`]. Dropping it closes it too, but nobody then
/// waits for the end or hears how it went.
#[derive(Debug)]
pub struct Node {
    handle: NodeHandle,
    partings: Partings,
    hearing: JoinHandle<()>,
    closing: bool,
}

/// The progress of a start. Dropping it stops the reports, not the node.
#[derive(Debug)]
pub struct Starting {
    mailbox: Mailbox<Start>,
}

impl Node {
    /// Starts a node and returns at once; needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`Error::Call`] when the options cannot be understood or there is no
    /// descriptor to be had. Everything later comes from [`Starting::next`].
    pub fn start(options: &NodeOptions) -> Result<(Self, Starting), Error> {
        let failed = || Error::call("starting the node");
        let (fd, handle) = sys::start(&options.to_json()?).map_err(failed())?;
        let heard = Partings::open(handle).inspect_err(|_| {
            // Nobody would hear of the end.
            let _ = sys::close(handle);
        });
        let (partings, hearing) = heard.map_err(failed())?;
        let node = Self {
            handle,
            partings,
            hearing,
            closing: false,
        };
        Ok((
            node,
            Starting {
                mailbox: Mailbox::new(fd).map_err(failed())?,
            },
        ))
    }

    /// Watches the node's changes. The node must be running.
    ///
    /// # Errors
    ///
    /// [`Error::Call`] when there is no descriptor to be had.
    pub fn watch(&self) -> Result<Events, Error> {
        Events::open(self.handle)
    }

    /// Opens a TCP port of the node on all its tailnet addresses.
    ///
    /// # Errors
    ///
    /// `port_in_use`, `not_running`, `closed`, or no descriptor to be had.
    ///
    /// # Cancel safety
    ///
    /// Safe: a port opened meanwhile is closed again.
    pub async fn listen(&self, port: u16) -> Result<Listener, Error> {
        Listener::open(self.handle, &self.partings, c"tcp", format!(":{port}")).await
    }

    /// Hosts a Tailscale Service, such as `svc:web`, and opens a TCP port on its
    /// addresses: those that the control server has handed out, and each that comes
    /// later. [`NodeInfo::services`] tells which there are. Dropping the listener
    /// withdraws the service unless it has another port; open connections go on.
    ///
    /// # Errors
    ///
    /// `not_tagged`, or as [`Node::listen`].
    ///
    /// # Cancel safety
    ///
    /// Safe: what was opened meanwhile is closed again.
    pub async fn listen_service(&self, service: &str, port: u16) -> Result<Listener, Error> {
        let address = format!("{service}:{port}");
        Listener::open(self.handle, &self.partings, c"tcp", address).await
    }

    /// Opens a UDP port of the node on all its tailnet addresses.
    ///
    /// # Errors
    ///
    /// As [`Node::listen`].
    ///
    /// # Cancel safety
    ///
    /// Safe: a port opened meanwhile is closed again.
    pub async fn listen_udp(&self, port: u16) -> Result<FlowListener, Error> {
        FlowListener::open(self.handle, &self.partings, port).await
    }

    /// A dialer over this node, for tasks that do not own it.
    pub fn dialer(&self) -> Dialer {
        Dialer::new(self.handle, self.partings.clone())
    }

    /// Questions to this node, for tasks that do not own it.
    pub fn questions(&self) -> Questions {
        Questions::new(self.handle)
    }

    /// Connects to an address of the tailnet; see [`Dialer::dial`].
    ///
    /// # Errors
    ///
    /// As [`Dialer::dial`].
    ///
    /// # Cancel safety
    ///
    /// Safe: the dial is cancelled, and a connection made meanwhile is reset.
    pub async fn dial(&self, address: &str, timeout: Duration) -> Result<Stream, Error> {
        self.dialer().dial(address, timeout).await
    }

    /// Waits until the peers have acknowledged all that was written, at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`Error::Call`] when the node is closed or there is no descriptor to be had.
    ///
    /// # Cancel safety
    ///
    /// Safe: only the waiting ends.
    pub async fn flush(&self, timeout: Duration) -> Result<Flushed, Error> {
        let failed = || Error::call("flushing the node");
        let fd = sys::flush(self.handle, milliseconds(timeout)).map_err(failed())?;
        let mut mailbox = Mailbox::<Flush>::new(fd).map_err(failed())?;
        let Flush::Flushed(flushed) = mailbox.answer().await?;
        Ok(flushed)
    }

    /// Logs the node out of the tailnet: its key is void, and its state holds no
    /// login any more. A node without a login has nothing to give up. The node is
    /// still to be closed.
    ///
    /// # Errors
    ///
    /// `unreachable` or `timed_out` (after 15 s) when the control server did not
    /// hear of it: the login is kept then, and another start can give it up.
    /// `login_refused` when it would not have it, `closed`, or no descriptor to be
    /// had.
    ///
    /// # Cancel safety
    ///
    /// Dropped before its end, it may or may not have logged out.
    pub async fn logout(&self) -> Result<(), Error> {
        let failed = || Error::call("logging the node out");
        let fd = sys::logout(self.handle).map_err(failed())?;
        let mut mailbox = Mailbox::new(fd).map_err(failed())?;
        match mailbox.answer().await? {
            Logout::LoggedOut => Ok(()),
            Logout::Error(failure) => Err(failure.into()),
        }
    }

    /// Closes the node with all that is on it and waits for the end: at most 2 s,
    /// 7 s when an ephemeral node is logged out.
    ///
    /// # Errors
    ///
    /// An error says that the report is missing, not that the node lives on.
    ///
    /// # Cancel safety
    ///
    /// Dropped before its end it goes on closing; nobody hears how it went.
    pub async fn close(mut self) -> Result<Closed, Error> {
        let failed = || Error::call("closing the node");
        self.closing = true;
        let fd = sys::close(self.handle).map_err(failed())?;
        let mut mailbox = Mailbox::<Close>::new(fd).map_err(failed())?;
        let Close::Closed(closed) = mailbox.answer().await?;
        // It ends with the node; a panic of it was told where it happened.
        let _ = (&mut self.hearing).await;
        Ok(closed)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if self.closing {
            return;
        }
        match sys::close(self.handle) {
            Ok(_) => tracing::warn!("the node was dropped: closing it without waiting"),
            Err(error) => tracing::error!("the node was dropped and could not be closed: {error}"),
        }
    }
}

impl Starting {
    /// The next thing that happens, up to [`StartEvent::Running`] or an error;
    /// after either there is nothing more to ask for.
    ///
    /// # Errors
    ///
    /// Why the node cannot run: `login_refused`, `login_needed`,
    /// `state_unusable`, `closed` and so on. An error is final.
    ///
    /// # Cancel safety
    ///
    /// Safe: no event is lost.
    pub async fn next(&mut self) -> Result<StartEvent, Error> {
        match self.mailbox.answer().await? {
            Start::State { state } => Ok(StartEvent::State(state)),
            Start::Login { url } => Ok(StartEvent::Login { url }),
            Start::Waiting { detail } => Ok(StartEvent::Waiting { detail }),
            Start::Running { node } => Ok(StartEvent::Running(node)),
            Start::Error(failure) => Err(failure.into()),
        }
    }
}
