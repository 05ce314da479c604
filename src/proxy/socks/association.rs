//! UDP ASSOCIATE: the datagrams of one client, sorted by where they are to go, each
//! destination a flow of its own.
//!
//! It lasts as long as the TCP connection that it was asked for on, unless nothing
//! moves for the idle time of flows. All of it is one future, which polls its flows
//! itself: when it is dropped, sockets and flows are gone before the connection's
//! slot is given back, and a panic in it is the connection's.

use std::{
    collections::HashMap,
    io,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    io::AsyncReadExt,
    time::{Instant, sleep},
};

use super::{
    super::{
        destination::Destination,
        endpoint::{End, Stream},
        slots::Slot,
        summary::{Datagrams, DirectionEnd, Flow, Party, Summary},
        terms::Terms,
        udp::{Adding, FlowEnd, FlowTarget, IDLE_IN_DRAIN, Tally, UdpSettings, carry, dial, queue},
    },
    client::{Client, Received, Way},
    rules::Rules,
};

/// The most destinations that one client has at a time; each also takes a slot.
const DESTINATIONS: usize = 64;

/// Makes the target of a destination.
pub(super) type Make<T> = Arc<dyn Fn(&Destination) -> T + Send + Sync>;

/// What the datagrams of a client are carried by.
pub(super) struct Association<'a, T> {
    client: Arc<Client>,
    rules: &'a Rules,
    make: &'a Make<T>,
    terms: &'a Terms<'a>,
    times: UdpSettings,
    /// What has moved, of flows that are over, and what was dropped before any flow.
    moved: Mutex<Tally>,
}

/// A flow that is over.
struct Done {
    header: Bytes,
    /// Nothing has moved for long.
    quiet: bool,
}

/// Why it is over.
enum Over {
    /// The TCP connection has ended.
    Connection(End),
    Idle,
    Aborted,
    /// The client's socket is of no more use.
    Fault(io::Error),
}

impl<'a, T: FlowTarget> Association<'a, T> {
    pub(super) fn new(
        client: Client,
        rules: &'a Rules,
        make: &'a Make<T>,
        terms: &'a Terms<'a>,
    ) -> Self {
        let times = terms.settings;
        let times = UdpSettings::new(times.dial_timeout, times.limits.idle);
        Self {
            client: Arc::new(client),
            rules,
            make,
            terms,
            times,
            moved: Mutex::default(),
        }
    }

    /// Carries datagrams to the end of the connection `tcp`, and says what moved.
    pub(super) async fn run<S: Stream>(self, tcp: &mut S) -> Summary {
        let over = self.carry(tcp).await;
        if let Over::Fault(error) = &over {
            tracing::warn!(peer = %self.terms.origin.peer, %error, "a client's socket for datagrams broke");
        }
        self.summary(&over)
    }

    async fn carry<S: Stream>(&self, tcp: &mut S) -> Over {
        let mut flows = FuturesUnordered::new();
        let mut open: HashMap<Bytes, Adding> = HashMap::new();
        let shutdown = self.terms.shutdown;
        let mut idle = self.times.idle();
        let mut moved = Instant::now();
        let mut draining = false;
        let mut timer = pin!(sleep(idle));
        let mut connection = pin!(end(tcp));
        loop {
            let received = tokio::select! {
                biased;
                () = shutdown.abort.cancelled() => return Over::Aborted,
                end = &mut connection => return Over::Connection(end),
                () = shutdown.drain.cancelled(), if !draining => {
                    draining = true;
                    idle = idle.min(IDLE_IN_DRAIN);
                    timer.as_mut().reset(moved + idle);
                    continue;
                }
                Some(Done { header, quiet }) = flows.next(), if !flows.is_empty() => {
                    open.remove(&header);
                    if !quiet {
                        moved = Instant::now();
                    }
                    continue;
                }
                // As long as there are flows, each of them knows when it is idle.
                () = &mut timer, if flows.is_empty() => {
                    if moved.elapsed() >= idle {
                        return Over::Idle;
                    }
                    timer.as_mut().reset(moved + idle);
                    continue;
                }
                received = self.client.recv() => received,
            };
            let Received {
                header,
                destination,
                content,
            } = match received {
                Ok(received) => received,
                Err(error) => return Over::Fault(error),
            };
            moved = Instant::now();
            if let Some(adding) = open.get(&header) {
                adding.add(content);
                continue;
            }
            let admitted = destination
                .filter(|destination| self.rules.allow(destination))
                .filter(|_| open.len() < DESTINATIONS)
                .and_then(|destination| Some((destination, self.claim()?)));
            match admitted {
                Some((destination, slot)) => {
                    let (adding, waiting) = queue();
                    adding.add(content);
                    // Without the datagram that it came in.
                    let header = Bytes::copy_from_slice(&header);
                    open.insert(header.clone(), adding);
                    let way = Way {
                        client: Arc::clone(&self.client),
                        header,
                        waiting,
                    };
                    flows.push(self.lead((self.make)(&destination), way, slot));
                }
                None => self.drop_datagrams(1),
            }
        }
    }

    /// A place for one more destination.
    fn claim(&self) -> Option<Slot> {
        let claimed = self.terms.slots.claim();
        claimed.inspect_err(|_| self.terms.metrics.refuse()).ok()
    }

    /// The life of one flow.
    async fn lead(&self, target: T, mut way: Way, _slot: Slot) -> Done {
        let header = way.header.clone();
        let Terms {
            metrics, shutdown, ..
        } = *self.terms;
        let mut far = match dial(&target, self.times.dial_timeout, metrics).await {
            Ok(far) => far,
            Err(error) => {
                let peer = self.terms.origin.peer;
                tracing::debug!(%peer, %target, %error, "datagrams not carried");
                self.drop_datagrams(way.waiting.lost());
                return Done {
                    header,
                    quiet: true,
                };
            }
        };
        let mut counted = Counted {
            tally: Tally::default(),
            into: &self.moved,
        };
        let (idle, tally) = (self.times.idle(), &mut counted.tally);
        let ended = carry(&mut way, &mut far, idle, &shutdown.drain, tally, metrics).await;
        let quiet = matches!(ended, FlowEnd::Idle);
        Done { header, quiet }
    }

    fn drop_datagrams(&self, count: u64) {
        let mut moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        moved.dropped += count;
        self.terms.metrics.drop_datagrams(count);
    }

    fn summary(&self, over: &Over) -> Summary {
        let (from_peer, from_target, first) = match over {
            Over::Connection(End::Clean) => {
                (DirectionEnd::Clean, DirectionEnd::Clean, Some(Party::Peer))
            }
            Over::Connection(end) => {
                let end = DirectionEnd::from(*end);
                (end, DirectionEnd::Cut, Some(Party::Peer))
            }
            Over::Idle => (DirectionEnd::Idle, DirectionEnd::Idle, None),
            Over::Aborted => (DirectionEnd::Aborted, DirectionEnd::Aborted, None),
            Over::Fault(_) => (DirectionEnd::Cut, DirectionEnd::Cut, None),
        };
        let moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        let flow = |bytes, end| Flow {
            bytes,
            discarded: 0,
            end,
        };
        Summary {
            to_target: flow(moved.to_target.bytes, from_peer),
            to_peer: flow(moved.to_peer.bytes, from_target),
            first,
            datagrams: Some(Datagrams {
                to_target: moved.to_target.datagrams,
                to_peer: moved.to_peer.datagrams,
                dropped: moved.dropped,
            }),
        }
    }
}

/// How a connection ends on which nothing is said any more; what comes is dropped.
async fn end<S: Stream>(tcp: &mut S) -> End {
    let mut dropped = [0; 64];
    loop {
        match tcp.read(&mut dropped).await {
            Ok(0) => return tcp.incoming_end(),
            Ok(_) => {}
            Err(error) => return End::of(error.kind()),
        }
    }
}

/// What has moved in a flow, added to all that has however the flow ends.
struct Counted<'a> {
    tally: Tally,
    into: &'a Mutex<Tally>,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        let mut all = self.into.lock().unwrap_or_else(PoisonError::into_inner);
        all.add(&self.tally);
    }
}
