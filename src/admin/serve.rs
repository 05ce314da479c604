//! HTTP/1.1 at a door, within bounds: clients at one time, the size of a request, the time
//! that each has. One request a connection.
//!
//! A door is served by tasks of its own and takes none of the places of forwarded
//! connections, so that it answers when those are used up.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::routes::{self, Door};
use super::view::View;

/// Clients at one time at one door; more are closed at once. Descriptors are set aside for
/// two doors of this size.
pub const CLIENTS: usize = 32;
/// What a client has to send its request's head.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// What an answer may take.
const ANSWER_TIME: Duration = Duration::from_secs(20);
/// What a whole connection may take.
const WHOLE_TIME: Duration = Duration::from_secs(40);
/// The largest head of a request, in bytes, and the most lines in it.
const LARGEST_HEAD: usize = 16 * 1024;
const MOST_LINES: usize = 64;
/// What a client has to take an answer's end before its connection is closed.
const LAST_READ: Duration = Duration::from_secs(1);
/// The first pause after a failed accept, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(1)];

/// Where clients come from.
pub trait Listen: Send + 'static {
    /// A client's connection.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next client.
    ///
    /// # Errors
    /// One of kind [`io::ErrorKind::NotConnected`] is the last; after others the call may be
    /// repeated.
    ///
    /// # Cancel safety
    /// Cancel safe.
    fn accept(&mut self) -> impl Future<Output = io::Result<Self::Io>> + Send;
}

impl Listen for tokio::net::TcpListener {
    type Io = tokio::net::TcpStream;

    async fn accept(&mut self) -> io::Result<Self::Io> {
        tokio::net::TcpListener::accept(self)
            .await
            .map(|(stream, _)| stream)
    }
}

/// Serves a door until `stop` is cancelled or the listener is gone; both end what is open.
///
/// # Cancel safety
/// Dropping the future closes the listener; what is open goes on to its bounds.
pub async fn serve<L: Listen>(mut listener: L, door: Door, view: View, stop: CancellationToken) {
    let stop = stop.child_token();
    let places = Arc::new(Semaphore::new(CLIENTS));
    let clients = TaskTracker::new();
    let mut pause = PAUSES[0];
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(io) => {
                pause = PAUSES[0];
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                    tracing::debug!(?door, "a client too many");
                    continue;
                };
                let (view, stop) = (view.clone(), stop.clone());
                clients.spawn(async move {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        _ = timeout(WHOLE_TIME, client(io, door, view)) => {}
                    }
                    drop(place);
                });
            }
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                tracing::debug!(?door, %error, "the door is closed");
                break;
            }
            Err(error) => {
                tracing::warn!(?door, %error, ?pause, "accepting paused");
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = sleep(pause) => pause = (pause * 2).min(PAUSES[1]),
                }
            }
        }
    }
    stop.cancel();
    clients.close();
    clients.wait().await;
}

/// Answers one client.
async fn client<I: AsyncRead + AsyncWrite + Unpin + Send>(mut io: I, door: Door, view: View) {
    let service = service_fn(|request| {
        let view = view.clone();
        async move {
            let answer = timeout(ANSWER_TIME, routes::answer(&view, door, request)).await;
            Ok::<_, Infallible>(answer.unwrap_or_else(|_| routes::overdue()))
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(LARGEST_HEAD)
        .max_headers(MOST_LINES)
        .keep_alive(false)
        .half_close(true)
        .serve_connection(TokioIo::new(&mut io), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(?door, %error, "a client left without an answer");
    }
    // Closed with unread bytes a connection is reset, and the answer can be lost.
    let mut rest = [0; 1024];
    let _ = timeout(LAST_READ, async {
        while io.read(&mut rest).await.is_ok_and(|read| read > 0) {}
    })
    .await;
}
