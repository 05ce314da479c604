//! The other end of the control socket: one question to the program that runs.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::timeout;

use super::control;
use super::operations::{Peer, Pong};
use super::report::Report;
use super::routes::PingRequest;

/// What an answer may take: more than the program gives itself.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest answer that is read, in bytes: the peers of a large tailnet.
const LONGEST_ANSWER: usize = 16 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// No program holds the socket.
    #[error(
        "no tailport runs with the state directory {0:?}: start it, or name its directory with \
         --state-dir or TS_STATE_DIR"
    )]
    NothingRuns(PathBuf),
    /// The system does not let this user ask.
    #[error("the control socket in {0:?} is of another user: ask as the user that runs tailport")]
    NotYours(PathBuf),
    /// The program did not answer in time.
    #[error("tailport runs but did not answer within {PATIENCE:?}: look at its log")]
    Silent,
    /// The program answered that it cannot, with what to do.
    #[error("{0}")]
    Refused(String),
    /// The conversation broke off.
    #[error("asking the control socket: {0}")]
    Broken(String),
}

/// Asks the program that uses a state directory.
#[derive(Clone, Debug)]
pub struct Client {
    state_dir: PathBuf,
}

impl Client {
    /// Asks nothing yet.
    pub fn new(state_dir: impl Into<PathBuf>) -> Self {
        Self {
            state_dir: state_dir.into(),
        }
    }

    /// `GET /status`.
    ///
    /// # Errors
    /// Why there is no answer; the same holds for every question here.
    pub async fn status(&self) -> Result<Report, Unanswered> {
        self.ask(Method::GET, "/status", String::new()).await
    }

    /// `GET /peers`.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub async fn peers(&self) -> Result<Vec<Peer>, Unanswered> {
        self.ask(Method::GET, "/peers", String::new()).await
    }

    /// `POST /ping`: one probe to a peer.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub async fn ping(&self, host: &str) -> Result<Pong, Unanswered> {
        let request = PingRequest {
            host: host.to_owned(),
        };
        self.ask(Method::POST, "/ping", json!(request).to_string())
            .await
    }

    /// `POST /reload`: what changed, one line each.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub async fn reload(&self) -> Result<Vec<String>, Unanswered> {
        self.ask(Method::POST, "/reload", String::new()).await
    }

    /// `POST /logout`.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub async fn logout(&self) -> Result<(), Unanswered> {
        self.ask(Method::POST, "/logout", String::new()).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<T, Unanswered> {
        let (good, bytes) = timeout(PATIENCE, exchange(&self.state_dir, method, path, body))
            .await
            .map_err(|_| Unanswered::Silent)??;
        if !good {
            #[derive(Deserialize)]
            struct Failure {
                error: String,
            }
            let failure = serde_json::from_slice::<Failure>(&bytes).map_err(broken)?;
            return Err(Unanswered::Refused(failure.error));
        }
        serde_json::from_slice(&bytes).map_err(broken)
    }
}

/// One request and its answer: whether it is a good one, and its body.
async fn exchange(
    state_dir: &Path,
    method: Method,
    path: &str,
    body: String,
) -> Result<(bool, Bytes), Unanswered> {
    let stream = control::connect(state_dir)
        .await
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                Unanswered::NothingRuns(state_dir.to_owned())
            }
            io::ErrorKind::PermissionDenied => Unanswered::NotYours(state_dir.to_owned()),
            _ => broken(error),
        })?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "tailport")
        .body(Full::new(Bytes::from(body)))
        .map_err(broken)?;
    let answer = async move {
        let answer = sender.send_request(request).await.map_err(broken)?;
        let good = answer.status().is_success();
        let body = Limited::new(answer.into_body(), LONGEST_ANSWER);
        let body = body.collect().await.map_err(broken)?;
        Ok((good, body.to_bytes()))
    };
    // The connection ends by itself once its only answer has been read.
    let (answer, _) = tokio::join!(answer, connection);
    answer
}

fn broken(error: impl std::fmt::Display) -> Unanswered {
    Unanswered::Broken(error.to_string())
}
