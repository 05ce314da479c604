//! A client's stream: the conversation first, then its bytes.
//!
//! No byte behind a message is ever read before the message is answered, so that
//! what a client sends early is the relay's from the first byte on.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, Bytes};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    time::timeout,
};
use zeroize::{Zeroize, Zeroizing};

use super::{
    super::{
        destination::Destination,
        endpoint::{DialError, End, Stream},
    },
    messages::{self, Command, LONGEST, Malformed, Method, Read, Reply},
    rules::Rules,
};

/// How long a client that was turned away has to take its answer and go: less than
/// the 10 s of RFC 1928. Closing at once would reset what the client still sends,
/// and with it the answer.
const FAREWELL: Duration = Duration::from_secs(2);

/// A client's stream.
#[derive(Debug)]
pub struct SocksStream<S> {
    inner: S,
    rules: Arc<Rules>,
    stage: Stage,
    /// What has come of the message that is awaited; a password may be in it.
    received: Zeroizing<Vec<u8>>,
    /// What is still to be written before anything else happens.
    unsent: Bytes,
    asked: Option<Destination>,
}

/// What comes next.
#[derive(Debug)]
enum Stage {
    /// The client's offer of methods.
    Offer,
    /// Its user and password.
    Login,
    /// Its request.
    Request,
    /// The dial, and then its answer.
    Dial,
    /// The relay.
    Relay,
    /// Nothing: why the client is turned away.
    Farewell(String),
}

impl<S: Stream> SocksStream<S> {
    /// A stream on which nothing has been said.
    pub(super) fn new(inner: S, rules: Arc<Rules>) -> Self {
        Self {
            inner,
            rules,
            stage: Stage::Offer,
            // Never grown, so that no copy of a password stays behind.
            received: Zeroizing::new(Vec::with_capacity(LONGEST)),
            unsent: Bytes::new(),
            asked: None,
        }
    }

    /// The next message. Cancel safe: what came of it is kept.
    async fn message<T>(
        &mut self,
        read: impl Fn(&[u8]) -> Result<Read<T>, Malformed>,
    ) -> io::Result<Result<T, Malformed>> {
        loop {
            match read(&self.received) {
                Ok(Read::Upto(needed)) => {
                    let missing = needed.saturating_sub(self.received.len());
                    let mut limited = (&mut self.inner).take(missing as u64);
                    if limited.read_buf(&mut *self.received).await? == 0 {
                        return Err(ended());
                    }
                }
                Ok(Read::Whole(message)) => {
                    self.received.zeroize();
                    return Ok(Ok(message));
                }
                Err(malformed) => {
                    self.received.zeroize();
                    return Ok(Err(malformed));
                }
            }
        }
    }

    /// Writes what is unsent. Cancel safe.
    async fn send(&mut self) -> io::Result<()> {
        while self.unsent.has_remaining() {
            if self.inner.write_buf(&mut self.unsent).await? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        self.inner.flush().await
    }

    /// What the next message leads to.
    async fn step(&mut self) -> io::Result<()> {
        let rules = Arc::clone(&self.rules);
        match &self.stage {
            Stage::Offer => {
                let (method, next) = match rules.login {
                    Some(_) => (Method::Password, Stage::Login),
                    None => (Method::None, Stage::Request),
                };
                match self
                    .message(|bytes| messages::offers(bytes, method))
                    .await?
                {
                    Ok(true) => self.say(&method.chosen(), next),
                    Ok(false) => self.turn_away(
                        &Method::UNACCEPTABLE,
                        match method {
                            Method::Password => "the client offers no user and password",
                            Method::None => "the client insists on a way to say who it is",
                        },
                    ),
                    // Whatever it speaks, it would not understand an answer.
                    Err(malformed) => return Err(io::Error::other(malformed)),
                }
            }
            Stage::Login => {
                let check = |user: &[u8], password: &[u8]| {
                    let login = rules.login.as_ref();
                    login.is_some_and(|login| login.is(user, password))
                };
                match self.message(|bytes| messages::login(bytes, check)).await? {
                    Ok(true) => self.say(&messages::login_answer(true), Stage::Request),
                    Ok(false) => {
                        self.turn_away(&messages::login_answer(false), "wrong user or password")
                    }
                    Err(malformed) => {
                        self.turn_away(&messages::login_answer(false), malformed);
                    }
                }
            }
            Stage::Request => match self.message(messages::request).await? {
                Ok((Command::Connect, Ok(asked))) if rules.allow(&asked) => {
                    self.asked = Some(asked);
                    self.stage = Stage::Dial;
                }
                Ok((Command::Connect, Ok(asked))) => self.turn_away(
                    &Reply::NotAllowed.message(),
                    format!("{asked} is not on the list of destinations"),
                ),
                Ok((Command::Connect, Err(nowhere))) => {
                    let malformed = Malformed::from(nowhere);
                    self.turn_away(&Reply::from(malformed).message(), malformed);
                }
                Ok((Command::Other(number), _)) => self.turn_away(
                    &Reply::NoSuchCommand.message(),
                    format!("the client wants command {number}, and only CONNECT is served"),
                ),
                Err(malformed) => self.turn_away(&Reply::from(malformed).message(), malformed),
            },
            Stage::Dial | Stage::Relay => {}
            Stage::Farewell(_) => self.farewell().await,
        }
        Ok(())
    }

    fn say(&mut self, message: &[u8], next: Stage) {
        self.unsent = Bytes::copy_from_slice(message);
        self.stage = next;
    }

    fn turn_away(&mut self, message: &[u8], reason: impl ToString) {
        self.say(message, Stage::Farewell(reason.to_string()));
    }

    /// Lets a client that was turned away take its answer: all that it still sends
    /// is read and dropped until it goes, or for as long as it has.
    async fn farewell(&mut self) {
        let parting = async {
            self.inner.shutdown().await?;
            let mut dropped = [0; 1024];
            while self.inner.read(&mut dropped).await? > 0 {}
            io::Result::Ok(())
        };
        // However it goes, the connection is over.
        let _ = timeout(FAREWELL, parting).await;
    }
}

impl<S: Stream> Stream for SocksStream<S> {
    async fn open(&mut self) -> io::Result<()> {
        self.inner.open().await?;
        loop {
            self.send().await?;
            match &self.stage {
                Stage::Dial | Stage::Relay => return Ok(()),
                Stage::Farewell(reason) => {
                    let error = io::Error::other(reason.clone());
                    self.step().await?;
                    return Err(error);
                }
                Stage::Offer | Stage::Login | Stage::Request => self.step().await?,
            }
        }
    }

    fn asked(&self) -> Option<&Destination> {
        self.asked.as_ref()
    }

    async fn answer(&mut self, dialed: Result<(), &DialError>) -> io::Result<()> {
        // Of no use any more, and a connection may live long.
        self.received = Zeroizing::default();
        let reply = dialed.map_or_else(|error| error.kind.into(), |()| Reply::Succeeded);
        match dialed {
            Ok(()) => self.say(&reply.message(), Stage::Relay),
            Err(error) => self.turn_away(&reply.message(), error),
        }
        self.send().await?;
        if dialed.is_err() {
            self.farewell().await;
        }
        Ok(())
    }

    fn incoming_end(&mut self) -> End {
        self.inner.incoming_end()
    }

    fn broken(&mut self) -> Option<End> {
        self.inner.broken()
    }

    fn unacknowledged(&self) -> io::Result<u64> {
        self.inner.unacknowledged()
    }

    fn reset(self) {
        self.inner.reset();
    }
}

impl<S: Stream> AsyncRead for SocksStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<S: Stream> AsyncWrite for SocksStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

fn ended() -> io::Error {
    let detail = "the client left before it had asked for anything";
    io::Error::new(io::ErrorKind::UnexpectedEof, detail)
}
