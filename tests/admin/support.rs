//! A view whose node a test changes, doors to it, and raw requests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tailport::admin::{
    self, Answer, At, Door, LibraryCounts, NodeStatus, Operations, Peer, Phase, Pong, RUNNING,
    Refusal, View,
};
use tailport::telemetry::metrics::{Ended, Metrics};
use tailport::telemetry::registry::Registry;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Longer than anything here waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Where a person could log the node in.
pub(crate) const LOGIN: &str = "https://login.example/a/s3cret";

/// A program without connections, at both its doors.
pub(crate) struct Program {
    pub(crate) node: watch::Sender<NodeStatus>,
    pub(crate) ssh: Arc<Metrics>,
    pub(crate) home: TempDir,
    pub(crate) address: SocketAddr,
    _file: admin::ControlFile,
    stop: CancellationToken,
}

/// Answers some questions.
struct Questions;

impl Operations for Questions {
    fn library(&self) -> Option<LibraryCounts> {
        Some(LibraryCounts::default())
    }

    fn peers(&self) -> Answer<'_, Vec<Peer>> {
        Box::pin(async {
            Ok(vec![Peer {
                name: "rdp-host".to_owned(),
                dns_name: None,
                addresses: vec!["100.64.0.9".parse().unwrap()],
                online: true,
                user: Some("alice@example.com".to_owned()),
                tags: Vec::new(),
                last_seen: None,
            }])
        })
    }

    fn ping<'a>(&'a self, host: &'a str) -> Answer<'a, Pong> {
        Box::pin(async move {
            if host != "rdp-host" {
                return Err(Refusal::Bad(format!("no peer is called {host:?}")));
            }
            Ok(Pong {
                name: host.to_owned(),
                address: "100.64.0.9".parse().unwrap(),
                milliseconds: 1.5,
                via: "192.0.2.1:41641".to_owned(),
                direct: true,
            })
        })
    }
}

impl Program {
    /// A node that runs, with one forward that has carried one connection.
    pub(crate) async fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut status = NodeStatus {
            phase: Phase::Serving,
            dns_name: Some("office.tail.example".to_owned()),
            ..NodeStatus::default()
        };
        status.enter(RUNNING);
        let node = watch::Sender::new(status);
        let registry = Arc::new(Registry::default());
        let ssh = registry.forward("expose 22/tcp", "127.0.0.1:22");
        ssh.begin().end(Ended::Clean);
        let view = View::new(node.subscribe(), registry, 1000, Arc::new(Questions));
        let stop = CancellationToken::new();

        let (listener, file) = admin::open_control(home.path()).unwrap();
        tokio::spawn(admin::serve(
            listener,
            Door::Control,
            view.clone(),
            stop.clone(),
        ));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let door = Door::Public(At::Machine(address));
        tokio::spawn(admin::serve(listener, door, view, stop.clone()));
        Self {
            node,
            ssh,
            home,
            address,
            _file: file,
            stop,
        }
    }

    /// Asks at the control socket.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> Reply {
        let stream = UnixStream::connect(self.home.path().join(admin::CONTROL_SOCKET)).await;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        exchange(stream.unwrap(), &(head + body)).await
    }

    /// Asks at the admin endpoint, which goes by its address.
    pub(crate) async fn ask_public(&self, method: &str, path: &str) -> Reply {
        self.ask_as(method, path, &format!("Host: {}\r\n", self.address))
            .await
    }

    /// Asks at the admin endpoint with these header lines.
    pub(crate) async fn ask_as(&self, method: &str, path: &str, lines: &str) -> Reply {
        let request = format!("{method} {path} HTTP/1.1\r\n{lines}\r\n");
        exchange(self.connect().await, &request).await
    }

    /// A connection to the admin endpoint.
    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Sends a request and reads its answer to the end of the connection.
pub(crate) async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &str,
) -> Reply {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    let read = timeout(PATIENCE, stream.read_to_string(&mut text))
        .await
        .unwrap();
    read.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").expect("an answer has a head");
    Reply {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_lowercase(),
        body: body.to_owned(),
    }
}
