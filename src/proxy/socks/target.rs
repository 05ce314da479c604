//! The target of a SOCKS5 listener: wherever its client asks to be led, by one kind
//! of dialer and no other.

use std::{fmt, sync::Arc, time::Duration};

use super::super::{
    destination::Destination,
    endpoint::{Dial, DialError, DialErrorKind},
    origin::Origin,
};

/// Makes a target of each destination that a client asks for; see
/// [`Dial::led_to`].
pub struct SocksTarget<D> {
    make: Arc<dyn Fn(&Destination) -> D + Send + Sync>,
    chosen: Option<D>,
}

impl<D: Dial> SocksTarget<D> {
    /// `make` decides by what clients are led: it is the only way that is taken.
    pub fn new(make: impl Fn(&Destination) -> D + Send + Sync + 'static) -> Self {
        Self {
            make: Arc::new(make),
            chosen: None,
        }
    }
}

impl<D: Dial> Dial for SocksTarget<D> {
    type Stream = D::Stream;

    async fn dial(&self, origin: &Origin, budget: Duration) -> Result<D::Stream, DialError> {
        match &self.chosen {
            Some(chosen) => chosen.dial(origin, budget).await,
            None => Err(DialError::new(
                DialErrorKind::BadAddress,
                "the client asked for nothing",
            )),
        }
    }

    fn led_to(&self, destination: &Destination) -> Option<Self> {
        Some(Self {
            make: Arc::clone(&self.make),
            chosen: Some((self.make)(destination)),
        })
    }
}

/// The chosen destination, or `socks5` before there is one.
impl<D: fmt::Display> fmt::Display for SocksTarget<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.chosen {
            Some(chosen) => chosen.fmt(f),
            None => f.write_str("socks5"),
        }
    }
}
