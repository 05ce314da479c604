//! Names of Tailscale Services, such as `svc:web`.

use std::fmt;
use std::str::FromStr;

use super::address::AddressError;
use super::hostname::Hostname;

/// What a service's name, and a listening side on a service, begins with.
pub(super) const PREFIX: &str = "svc:";

/// The name of a service, with `svc:` in front of a DNS label.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServiceName(String);

impl ServiceName {
    /// The name with `svc:` in front.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServiceName {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let label = text.strip_prefix(PREFIX).unwrap_or_default();
        match label.parse::<Hostname>() {
            Ok(_) => Ok(ServiceName(text.to_owned())),
            Err(_) => Err(AddressError::NotAService(text.to_owned())),
        }
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
