//! The proxy: everything between a connection's arrival and its end.
//!
//! | file | its one idea |
//! |---|---|
//! | `endpoint` | the two traits, `Accept` and `Dial`, and the `Stream` they give |
//! | `peer`, `origin` | who connects; what else is known of it |
//! | `terms` | what a stream is given that needs no target |
//! | `destination` | where a peer asks to be led, when that is its choice |
//! | `kernel` | listeners and streams of this machine, TCP and unix |
//! | `target`, `resolve` | targets dialed from this machine; their names |
//! | `tls` | a listener whose connections speak TLS, and its certificate |
//! | `failover`, `health` | several targets, and which of them is well |
//! | `proxy_protocol` | a header that tells a target who connects |
//! | `udp` | datagrams, sorted into flows |
//! | `socks` | a listener whose clients say where to |
//! | `slots` | the connection cap |
//! | `gate`, `peer_limits` | who is let in, and how much one peer may take |
//! | `accept` | a forward's accept loop |
//! | `connection` | the life of one connection |
//! | `opening` | what the peer says first, the dial, and what the peer is told |
//! | `dial` | the tries of one dial and their budget |
//! | `relay`, `limits`, `direction`, `course`, `alarm`, `side`, `summary` | the bytes, both ways, and how they end |
//! | `junction` | bytes that the Go half moves by itself, as long as they flow |
//! | `pipe` | bulk that passes from socket to socket inside the kernel |
//! | `failpoint` | a panic on purpose, in debug builds |
//!
//! A connection passes through them in this order: `accept` claims a slot and
//! starts a `connection`, which asks the `gate`, `dial`s and `relay`s; its slot returns when it is
//! dropped. A [`Forward`] is one listener with one target; the direction,
//! `expose` or `connect`, is only a matter of which side is the tailnet.

pub mod destination;
pub mod dial;
pub mod endpoint;
pub mod failover;
pub mod gate;
pub mod kernel;
pub mod node;
pub mod origin;
pub mod peer;
pub mod peer_limits;
pub mod proxy_protocol;
pub mod relay;
pub mod resolve;
pub mod slots;
pub mod socks;
pub mod summary;
pub mod target;
pub mod terms;
pub mod tls;
pub mod udp;

mod accept;
mod alarm;
mod connection;
mod course;
mod direction;
#[cfg(debug_assertions)]
mod failpoint;
mod health;
mod junction;
mod limits;
mod opening;
mod pipe;
mod side;

use std::{io, sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::task::TaskTracker;

pub use side::Held;

use self::{
    accept::AcceptLoop,
    connection::Context,
    endpoint::{Accept, Dial},
    gate::{Gate, Open},
    relay::Limits,
    slots::Slots,
};
use crate::{shutdown::Shutdown, telemetry::metrics::Metrics, turn};

/// The times a forward works by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The whole dial of one connection, tries and name resolution included; the
    /// gate's answer has as long.
    pub dial_timeout: Duration,
    /// The times of the relay.
    pub limits: Limits,
}

/// A listener with its target.
#[derive(Debug)]
pub struct Forward<A, D, G = Open> {
    /// Its name in the log.
    pub name: String,
    /// Where connections come from.
    pub accept: A,
    /// Who is let in; [`Open`] is everyone.
    pub gate: G,
    /// Where they go.
    pub dial: D,
    /// The times it works by.
    pub settings: Settings,
    /// The process's slots, with this forward's own cap if it has one.
    pub slots: Slots,
    /// Where it counts.
    pub metrics: Arc<Metrics>,
}

impl<A: Accept, D: Dial, G: Gate> Forward<A, D, G> {
    /// Serves until the drain starts. Connections run on as tasks of `tracker`
    /// and end by themselves or by `shutdown.abort`.
    ///
    /// # Errors
    /// When the listener is gone for good.
    ///
    /// # Cancel safety
    /// Dropping the future closes the listener; connections run on.
    pub async fn serve(self, tracker: &TaskTracker, shutdown: &Shutdown) -> io::Result<()> {
        let (serving, _switch) = self.split(tracker, shutdown);
        serving.run().await
    }

    /// The forward as something to [`Serving::run`], and the switch that changes
    /// where its connections go while it runs.
    pub fn split(
        self,
        tracker: &TaskTracker,
        shutdown: &Shutdown,
    ) -> (Serving<A, D, G>, Switch<D, G>) {
        let context = Context {
            forward: self.name,
            gate: self.gate,
            target: self.dial,
            settings: self.settings,
            slots: self.slots,
            shutdown: shutdown.clone(),
        };
        let (sender, context) = watch::channel(Arc::new(context));
        let serving = Serving(AcceptLoop {
            accept: self.accept,
            context,
            metrics: self.metrics,
            tracker: tracker.clone(),
        });
        (serving, Switch(sender))
    }
}

/// A forward that is ready to accept; see [`Forward::split`].
pub struct Serving<A, D, G>(AcceptLoop<A, D, G>);

impl<A: Accept, D: Dial, G: Gate> Serving<A, D, G> {
    /// Serves, as [`Forward::serve`] says.
    ///
    /// # Errors
    /// When the listener is gone for good.
    ///
    /// # Cancel safety
    /// Dropping the future closes the listener; connections run on.
    pub async fn run(self) -> io::Result<()> {
        let serving = self.0.run();
        if A::BY_HAND {
            turn::joined(serving).await
        } else {
            serving.await
        }
    }
}

/// Changes a forward that runs, for the connections to come; those that are there
/// keep what they began with.
#[derive(Debug)]
pub struct Switch<D, G>(watch::Sender<Arc<Context<D, G>>>);

impl<D: Dial, G: Gate> Switch<D, G> {
    /// Another gate, another target, other times.
    pub fn turn(&self, gate: G, dial: D, settings: Settings) {
        self.0.send_modify(|context| {
            *context = Arc::new(Context {
                forward: context.forward.clone(),
                gate,
                target: dial,
                settings,
                slots: context.slots.clone(),
                shutdown: context.shutdown.clone(),
            });
        });
    }
}
