//! What comes between the claim of a connection and its relay: the peer's stream is
//! opened, the target is dialed, and the peer is told how that went.

use std::{io, time::Duration};

use tokio::time::{Instant, timeout};

use super::{
    dial,
    endpoint::{Dial, DialError, DialErrorKind, Stream},
    origin::Origin,
    side::Held,
};
use crate::telemetry::metrics::Metrics;

/// Why a connection has come to nothing.
pub(super) enum Failed {
    /// The peer's own side: what must be said first was not said.
    Open(io::Error),
    /// The way to the target.
    Dial(DialError),
}

/// Opens the peer's stream within `budget`.
///
/// # Cancel safety
/// Dropping the future leaves the peer's stream as it was left.
pub(super) async fn open<S: Stream>(peer: &mut Held<S>, budget: Duration) -> Result<(), Failed> {
    within(budget, "opening the connection", peer, Stream::open).await
}

/// Dials the target for `origin` within `budget`, and tells the opened peer. `led_to`
/// is the target that the peer chose, if that was its choice.
///
/// # Cancel safety
/// Dropping the future gives up the dial; the peer's stream is as it was left.
pub(super) async fn lead<D: Dial, S: Stream>(
    peer: &mut Held<S>,
    origin: &Origin,
    target: &D,
    led_to: &mut Option<D>,
    budget: Duration,
    metrics: &Metrics,
) -> Result<Held<D::Stream>, Failed> {
    let asked = peer.get_mut().and_then(|peer| peer.asked());
    let start = Instant::now();
    let dialed = match asked.map(|asked| (asked, target.led_to(asked))) {
        None => dial::dial(target, origin, budget).await,
        Some((_, Some(chosen))) => dial::dial(&*led_to.insert(chosen), origin, budget).await,
        // Nobody who asked for one place is led to another.
        Some((asked, None)) => Err(DialError::new(
            DialErrorKind::BadAddress,
            format!("{asked} was asked for, and the target cannot be chosen"),
        )),
    };
    let failure = dialed.as_ref().err().map(|error| error.kind.as_str());
    metrics.dialed(start.elapsed(), failure);
    match dialed {
        Ok(target) => {
            let target = Held::new(target);
            let told = async |peer: &mut S| peer.answer(Ok(())).await;
            within(budget, "answering the peer", peer, told).await?;
            Ok(target)
        }
        Err(error) => {
            let told = async |peer: &mut S| peer.answer(Err(&error)).await;
            // It is over either way: a peer that does not hear why changes nothing.
            let _ = within(budget, "answering the peer", peer, told).await;
            Err(Failed::Dial(error))
        }
    }
}

/// One step of the peer's stream.
async fn within<S: Stream>(
    budget: Duration,
    what: &str,
    peer: &mut Held<S>,
    step: impl AsyncFnOnce(&mut S) -> io::Result<()>,
) -> Result<(), Failed> {
    let Some(stream) = peer.get_mut() else {
        return Err(Failed::Open(io::ErrorKind::NotConnected.into()));
    };
    timeout(budget, step(stream))
        .await
        .unwrap_or_else(|_| {
            let detail = format!("{what}: not done in {budget:?}");
            Err(io::Error::new(io::ErrorKind::TimedOut, detail))
        })
        .map_err(Failed::Open)
}
