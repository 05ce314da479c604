//! A client's stream: the conversation first, then its bytes.
//!
//! No byte behind a message is ever read before the message is answered, so that
//! what a client sends early is the relay's from the first byte on.

mod relayed;

use std::{io, sync::Arc, time::Duration};

use bytes::{Buf, Bytes};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use zeroize::{Zeroize, Zeroizing};

use super::{
    super::{
        destination::Destination,
        endpoint::{DialError, End, Lender, Stream},
        summary::Summary,
        terms::Terms,
        udp::FlowTarget,
    },
    association::{Association, Make},
    client::Client,
    messages::{self, Command, LONGEST, Malformed, Method, Read, Reply},
    rules::Rules,
};

/// How long a client that was turned away has to take its answer and go: less than
/// the 10 s of RFC 1928. Closing at once would reset what the client still sends,
/// and with it the answer.
const FAREWELL: Duration = Duration::from_secs(2);

/// A client's stream.
pub struct SocksStream<S, T> {
    inner: S,
    rules: Arc<Rules>,
    /// Where datagrams go.
    make: Make<T>,
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
    /// Datagrams. Where the client says that it sends them from, if it does.
    Associate(Option<Destination>),
    /// The relay.
    Relay,
    /// Nothing: why the client is turned away.
    Farewell(String),
}

impl<S: Stream, T: FlowTarget> SocksStream<S, T> {
    /// A stream on which nothing has been said.
    pub(super) fn new(inner: S, rules: Arc<Rules>, make: Make<T>) -> Self {
        Self {
            inner,
            rules,
            make,
            stage: Stage::Offer,
            // Never grown, so that no copy of a password stays behind.
            received: Zeroizing::new(Vec::with_capacity(LONGEST)),
            unsent: Bytes::new(),
            asked: None,
        }
    }

    /// The next message. Cancel safe: what came of it is kept.
    async fn message<M>(
        &mut self,
        read: impl Fn(&[u8]) -> Result<Read<M>, Malformed>,
    ) -> io::Result<Result<M, Malformed>> {
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
                // What it says is no promise; most say nothing.
                Ok((Command::Associate, from)) => self.stage = Stage::Associate(from.ok()),
                Ok((Command::Other(number), _)) => self.turn_away(
                    &Reply::NoSuchCommand.message(),
                    format!("the client wants command {number}, and only CONNECT and UDP ASSOCIATE are served"),
                ),
                Err(malformed) => self.turn_away(&Reply::from(malformed).message(), malformed),
            },
            Stage::Dial | Stage::Associate(_) | Stage::Relay => {}
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

    /// A socket for the client's datagrams, of which it has been told.
    async fn associate(
        &mut self,
        from: Option<&Destination>,
        terms: &Terms<'_>,
    ) -> io::Result<Client> {
        let bound = Client::bind(terms.origin, from).await;
        match bound.and_then(|client| Ok((client.local_addr()?, client))) {
            Ok((address, client)) => {
                self.say(&Reply::Succeeded.bound(address), Stage::Relay);
                self.send().await?;
                Ok(client)
            }
            Err(error) => {
                self.turn_away(&Reply::Failure.message(), &error);
                self.send().await?;
                self.farewell().await;
                Err(error)
            }
        }
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

impl<S: Stream, T: FlowTarget> Stream for SocksStream<S, T> {
    async fn open(&mut self) -> io::Result<()> {
        self.inner.open().await?;
        loop {
            self.send().await?;
            match &self.stage {
                Stage::Dial | Stage::Associate(_) | Stage::Relay => return Ok(()),
                Stage::Farewell(reason) => {
                    let error = io::Error::other(reason.clone());
                    self.step().await?;
                    return Err(error);
                }
                Stage::Offer | Stage::Login | Stage::Request => self.step().await?,
            }
        }
    }

    async fn carry(&mut self, terms: &Terms<'_>) -> io::Result<Option<Summary>> {
        let Stage::Associate(from) = &self.stage else {
            return Ok(None);
        };
        let from = from.clone();
        self.received = Zeroizing::default();
        let client = tokio::select! {
            biased;
            () = terms.shutdown.abort.cancelled() => Err(io::Error::other("stopping")),
            client = timeout(terms.settings.dial_timeout, self.associate(from.as_ref(), terms)) => {
                client.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            }
        }?;
        let association = Association::new(client, &self.rules, &self.make, terms);
        Ok(Some(association.run(&mut self.inner).await))
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

    fn lender(&mut self) -> Option<&mut dyn Lender> {
        self.inner.lender()
    }

    fn reset(self) {
        self.inner.reset();
    }
}

fn ended() -> io::Error {
    let detail = "the client left before it had asked for anything";
    io::Error::new(io::ErrorKind::UnexpectedEof, detail)
}
