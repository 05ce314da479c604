//! What the control socket asks of the running program: questions to the node, and
//! requests to those who own what has to be changed.

use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind};
use tokio::sync::{mpsc, oneshot};

use super::paths::Paths;
use super::signals::caught;
use crate::admin::{Answer, LibraryCounts, Operations, PathCounts, Peer, Pong, Refusal};
use crate::tailnet::{self, PeerPath, Questions};

/// Requests that wait for their turn; more are refused.
const WAITING: usize = 4;

/// How long a ping is tried.
const PING: Duration = Duration::from_secs(5);

/// Something that is to be done to the running program.
pub(super) enum Request {
    /// Reads the configuration again. The answer says what was changed.
    Reload(Reply<Vec<String>>),
    /// Takes the node off its tailnet and ends the program.
    Logout(Reply<()>),
}

/// Where a request's answer goes. Nobody may be there any more.
pub(super) type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

/// Requests as they come, from the control socket and by SIGHUP.
pub(super) struct Requests {
    asked: mpsc::Receiver<Request>,
    hangups: Option<Signal>,
}

/// What is asked of the program; the node is known from when it runs.
pub(super) struct Desk {
    questions: OnceLock<Questions>,
    paths: Paths,
    requests: mpsc::Sender<Request>,
}

impl Desk {
    /// A desk, and the requests that it passes on. With `hangups` SIGHUP is a request
    /// to reload from now on; otherwise it ends the program, as it always does.
    ///
    /// # Errors
    /// When the signal's handler cannot be set.
    pub(super) fn new(hangups: bool) -> std::io::Result<(Self, Requests)> {
        let (requests, asked) = mpsc::channel(WAITING);
        let hangups = match hangups {
            true => Some(caught(SignalKind::hangup())?),
            false => None,
        };
        let desk = Self {
            questions: OnceLock::new(),
            paths: Paths::default(),
            requests,
        };
        Ok((desk, Requests { asked, hangups }))
    }

    /// From now on questions about peers are answered.
    pub(super) fn knows(&self, questions: Questions) {
        let _ = self.questions.set(questions);
    }

    /// Questions to the node, once it runs.
    pub(super) fn node(&self) -> Option<Questions> {
        self.questions.get().copied()
    }

    fn questions(&self) -> Result<&Questions, Refusal> {
        let not_yet = || Refusal::NotNow("the node does not run yet".to_owned());
        self.questions.get().ok_or_else(not_yet)
    }

    async fn request<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, Refusal> {
        let (reply, answer) = oneshot::channel();
        let busy = || Refusal::NotNow("the program is busy with other requests".to_owned());
        self.questions()?;
        self.requests.try_send(request(reply)).map_err(|_| busy())?;
        let ending = || Refusal::NotNow("the program is ending".to_owned());
        answer.await.map_err(|_| ending())?
    }
}

impl Requests {
    /// The next one. A request to reload by signal has nobody who waits for the answer.
    ///
    /// # Cancel safety
    /// Safe: no request is lost.
    pub(super) async fn next(&mut self) -> Request {
        let hangup = async {
            match &mut self.hangups {
                Some(hangups) => hangups.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(request) = self.asked.recv() => request,
            Some(()) = hangup => {
                tracing::info!(signal = "SIGHUP", "reading the configuration again");
                Request::Reload(oneshot::channel().0)
            }
            else => std::future::pending().await,
        }
    }
}

impl Operations for Desk {
    fn library(&self) -> Option<LibraryCounts> {
        let counts = tailnet::count().ok()?;
        Some(LibraryCounts {
            goroutines: counts.goroutines,
            threads: counts.threads,
            connections: counts.connections,
            lingering: counts.lingering,
            mailboxes: counts.mailboxes,
            dropped_log_lines: counts.dropped_log_lines,
            memory: counts.memory,
        })
    }

    fn paths(&self) -> Answer<'_, PathCounts> {
        Box::pin(async {
            let unknown = || Refusal::NotNow("the node did not tell its peers in time".to_owned());
            let ask = self.questions()?.status();
            self.paths.now(ask).await.ok_or_else(unknown)
        })
    }

    fn peers(&self) -> Answer<'_, Vec<Peer>> {
        Box::pin(async {
            let status = self.questions()?.status().await.map_err(failed)?;
            Ok(status.peers.into_iter().map(peer).collect())
        })
    }

    fn ping<'a>(&'a self, host: &'a str) -> Answer<'a, Pong> {
        Box::pin(async move {
            let questions = self.questions()?;
            let status = questions.status().await.map_err(failed)?;
            let (name, address) = find(&status.peers, host)?;
            let pong = questions.ping(address, PING).await.map_err(failed)?;
            let (via, direct) = match pong.path {
                PeerPath::Direct(at) => (at.to_string(), true),
                PeerPath::Relay(region) => (format!("DERP {region}"), false),
                PeerPath::PeerRelay(relay) => (format!("peer relay {relay}"), false),
            };
            Ok(Pong {
                name,
                address,
                milliseconds: pong.latency.as_secs_f64() * 1000.0,
                via,
                direct,
            })
        })
    }

    fn reload(&self) -> Answer<'_, Vec<String>> {
        Box::pin(self.request(Request::Reload))
    }

    fn logout(&self) -> Answer<'_, ()> {
        Box::pin(self.request(Request::Logout))
    }
}

/// The peer that a name or an address is of, and one of its addresses.
fn find(peers: &[tailnet::Peer], host: &str) -> Result<(String, IpAddr), Refusal> {
    let wanted: Option<IpAddr> = host.parse().ok();
    let host = host.trim_end_matches('.');
    let is_it = |peer: &&tailnet::Peer| match wanted {
        Some(address) => peer.addresses.contains(&address),
        None => {
            let full = peer.dns_name.as_deref();
            peer.name.eq_ignore_ascii_case(host)
                || full.is_some_and(|full| full.eq_ignore_ascii_case(host))
        }
    };
    let nobody = || {
        Refusal::Bad(format!(
            "no peer is called {host}: `tailport peers` lists them"
        ))
    };
    let peer = peers.iter().find(is_it).ok_or_else(nobody)?;
    let address = wanted.or_else(|| peer.addresses.first().copied());
    Ok((peer.name.clone(), address.ok_or_else(nobody)?))
}

fn peer(peer: tailnet::Peer) -> Peer {
    Peer {
        name: peer.name,
        dns_name: peer.dns_name,
        addresses: peer.addresses,
        online: peer.online,
        user: peer.user,
        tags: peer.tags,
        last_seen: peer.last_seen,
    }
}

fn failed(error: tailnet::Error) -> Refusal {
    match error.retry() {
        true => Refusal::NotNow(error.to_string()),
        false => Refusal::Failed(error.to_string()),
    }
}
