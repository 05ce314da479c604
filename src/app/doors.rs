//! The doors for those who run the program: the control socket, always, and the admin
//! endpoint where one is asked for.

use std::io;
use std::path::Path;

use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::failure::Failure;
use super::stop::LAST_MOMENT;
use crate::admin::{self, At, ControlFile, Door, Listen, View};
use crate::exit::Exit;
use crate::state_dir::StateDir;
use crate::tailnet::{Listener, Node, Stream};

/// Every door that is open.
pub(super) struct Doors {
    view: View,
    admin: Option<At>,
    serving: TaskTracker,
    stop: CancellationToken,
    _file: Option<ControlFile>,
}

impl Doors {
    /// Opens the control socket, and the admin endpoint unless it is on the tailnet, where
    /// there is no node yet.
    ///
    /// A state directory in which no socket can be made is no reason not to forward: it is
    /// logged.
    ///
    /// # Errors
    /// The admin endpoint's address cannot be had.
    pub(super) async fn open(
        state_dir: &StateDir,
        admin: Option<At>,
        view: View,
    ) -> Result<Self, Failure> {
        let mut doors = Self {
            view,
            admin,
            serving: TaskTracker::new(),
            stop: CancellationToken::new(),
            _file: None,
        };
        match admin::open_control(Path::new(state_dir.path())) {
            Ok((listener, file)) => {
                doors._file = Some(file);
                doors.serve(listener, Door::Control);
            }
            Err(error) => tracing::warn!(
                %error,
                state_dir = state_dir.path(),
                "there is no control socket, so `tailport status` will not answer: a state \
                 directory on another file system may allow one"
            ),
        }
        if let Some(At::Machine(address)) = admin {
            let bind = async {
                let listener = TcpListener::bind(address).await?;
                let at = listener.local_addr()?; // the port chosen for port 0
                Ok((listener, at))
            };
            let (listener, at) = bind
                .await
                .map_err(|error: io::Error| not_bound(&address.to_string(), &error))?;
            tracing::info!(address = %at, "the admin endpoint listens");
            doors.serve(listener, Door::Public(At::Machine(at)));
        }
        Ok(doors)
    }

    /// Opens the admin endpoint on the tailnet, if that is where it is to be.
    ///
    /// # Errors
    /// The node's port cannot be had.
    pub(super) async fn open_on(&self, node: &Node) -> Result<(), Failure> {
        let Some(at @ At::Tailnet(port)) = self.admin else {
            return Ok(());
        };
        let listener = node
            .listen(port)
            .await
            .map_err(|error| not_bound(&format!("{port}/tcp of the tailnet"), &error))?;
        tracing::info!(port, "the admin endpoint listens on the tailnet");
        self.serve(OnTailnet(listener), Door::Public(at));
        Ok(())
    }

    /// Closes them all.
    pub(super) async fn close(self) {
        self.stop.cancel();
        self.serving.close();
        let _ = timeout(LAST_MOMENT, self.serving.wait()).await;
    }

    fn serve(&self, listener: impl Listen, door: Door) {
        let (view, stop) = (self.view.clone(), self.stop.clone());
        self.serving.spawn(admin::serve(listener, door, view, stop));
    }
}

fn not_bound(place: &str, error: &impl std::fmt::Display) -> Failure {
    Failure::new(
        Exit::Other,
        "not_bound",
        format!("opening the admin endpoint on {place} (TS_ADMIN_ADDR): {error}"),
    )
}

/// A port of the node as a door.
struct OnTailnet(Listener);

impl Listen for OnTailnet {
    type Io = Stream;

    async fn accept(&mut self) -> io::Result<Stream> {
        // Every error of a tailnet listener is its last word.
        let gone = |error| io::Error::new(io::ErrorKind::NotConnected, error);
        self.0.accept().await.map_err(gone)?.claim()
    }
}
