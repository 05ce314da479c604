//! From a request to its answer: which path is answered at which door.
//!
//! | path | control socket | admin endpoint |
//! |---|---|---|
//! | `GET /livez`, `/readyz`, `/metrics` | yes | yes |
//! | `GET /status` | yes | yes, without the login URL |
//! | `GET /` | no | the status page |
//! | `GET /peers`, `POST /ping`, `/reload`, `/logout` | yes | no |

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Bytes};
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::at::At;
use super::operations::Refusal;
use super::page;
use super::view::View;

/// The longest body of a request that is read, in bytes.
const LONGEST_BODY: usize = 4 * 1024;

/// An answer, in one piece.
pub(super) type Reply = Response<Full<Bytes>>;

/// Who is asking, by where.
#[derive(Clone, Copy, Debug)]
pub enum Door {
    /// The owner, at the control socket.
    Control,
    /// Anyone who reaches this address.
    Public(At),
}

/// What `/ping` is asked with.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PingRequest {
    /// The peer's name or address.
    pub(super) host: String,
}

/// Answers a request.
pub(super) async fn answer<B>(view: &View, door: Door, request: Request<B>) -> Reply
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut reply = match door {
        Door::Control => owner(view, request).await,
        Door::Public(at) => public(view, at, &request).await,
    };
    let headers = reply.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    reply
}

/// An answer that took too long.
pub(super) fn overdue() -> Reply {
    failure(StatusCode::GATEWAY_TIMEOUT, "no answer in time: try again")
}

async fn public<B>(view: &View, at: At, request: &Request<B>) -> Reply {
    let line = request.headers().get(header::HOST);
    let line = line.and_then(|host| host.to_str().ok());
    let target = request
        .uri()
        .authority()
        .map(|authority| authority.as_str());
    let node = view.node();
    let ours = |host: Option<&str>| host.is_none_or(|host| at.is_named(host, &node));
    if line.is_none() || !ours(line) || !ours(target) {
        let text = "this is not the host that was asked for: use the address it listens on";
        return failure(StatusCode::MISDIRECTED_REQUEST, text);
    }
    if request.method() != Method::GET {
        return not_allowed("GET");
    }
    match request.uri().path() {
        "/" => page::page(),
        "/status" => {
            let mut report = view.report();
            report.node = report.node.public();
            json(StatusCode::OK, &report)
        }
        path => look(view, path).await.unwrap_or_else(not_found),
    }
}

async fn owner<B>(view: &View, request: Request<B>) -> Reply
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let path = request.uri().path().to_owned();
    let operations = view.operations();
    match (path.as_str(), request.method()) {
        ("/status", &Method::GET) => json(StatusCode::OK, &view.report()),
        ("/peers", &Method::GET) => told(operations.peers().await),
        ("/ping", &Method::POST) => match body(request).await {
            Ok(PingRequest { host }) => told(operations.ping(&host).await),
            Err(refusal) => told::<()>(Err(refusal)),
        },
        ("/reload", &Method::POST) => told(operations.reload().await),
        ("/logout", &Method::POST) => told(operations.logout().await),
        ("/ping" | "/reload" | "/logout", _) => not_allowed("POST"),
        ("/status" | "/peers", _) => not_allowed("GET"),
        (path, method) => match look(view, path).await {
            Some(_) if method != Method::GET => not_allowed("GET"),
            Some(reply) => reply,
            None => not_found(),
        },
    }
}

/// What every door answers in the same way.
async fn look(view: &View, path: &str) -> Option<Reply> {
    Some(match path {
        "/livez" => json(StatusCode::OK, &json!({ "live": true })),
        "/readyz" => {
            let reasons = view.node().reasons();
            let status = match reasons.is_empty() {
                true => StatusCode::OK,
                false => StatusCode::SERVICE_UNAVAILABLE,
            };
            json(
                status,
                &json!({ "ready": reasons.is_empty(), "reasons": reasons }),
            )
        }
        "/metrics" => {
            let metrics = view.metrics().await;
            text("text/plain; version=0.0.4; charset=utf-8", metrics)
        }
        _ => return None,
    })
}

/// Reads a request's JSON.
async fn body<B, T>(request: Request<B>) -> Result<T, Refusal>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    T: for<'de> Deserialize<'de>,
{
    let bytes = Limited::new(request.into_body(), LONGEST_BODY)
        .collect()
        .await
        .map_err(|error| Refusal::Bad(format!("reading the request: {error}")))?
        .to_bytes();
    serde_json::from_slice(&bytes)
        .map_err(|error| Refusal::Bad(format!("the request's JSON: {error}")))
}

/// The answer of an operation.
fn told<T: Serialize>(answer: Result<T, Refusal>) -> Reply {
    match answer {
        Ok(value) => json(StatusCode::OK, &value),
        Err(refusal) => {
            let status = match refusal {
                Refusal::NotHere => StatusCode::NOT_IMPLEMENTED,
                Refusal::Bad(_) => StatusCode::BAD_REQUEST,
                Refusal::NotNow(_) => StatusCode::SERVICE_UNAVAILABLE,
                Refusal::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
            };
            failure(status, &refusal.to_string())
        }
    }
}

fn not_found() -> Reply {
    failure(StatusCode::NOT_FOUND, "there is nothing at this path")
}

fn not_allowed(method: &'static str) -> Reply {
    let text = format!("this path is for {method} alone");
    let mut reply = failure(StatusCode::METHOD_NOT_ALLOWED, &text);
    let allowed = HeaderValue::from_static(method);
    reply.headers_mut().insert(header::ALLOW, allowed);
    reply
}

fn failure(status: StatusCode, what: &str) -> Reply {
    json(status, &json!({ "error": what }))
}

fn json(status: StatusCode, value: &impl Serialize) -> Reply {
    // Nothing that is answered here has a key that is no text, or any other cause to fail.
    let mut body = serde_json::to_string(value).unwrap_or_default();
    body.push('\n');
    let mut reply = text("application/json", body);
    *reply.status_mut() = status;
    reply
}

/// A good answer with its content type.
pub(super) fn text(content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    let content_type = HeaderValue::from_static(content_type);
    reply
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    reply
}
