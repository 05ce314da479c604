//! A certificate of the node and its key.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};

/// What TLS needs to answer under one of the node's names.
#[derive(Clone, Deserialize)]
pub struct Certificate {
    /// The chain as PEM, the node's own certificate first.
    pub chain: String,
    /// The private key as PEM.
    #[serde(deserialize_with = "secret")]
    pub key: SecretString,
}

impl fmt::Debug for Certificate {
    /// The chain is long and the key a secret: neither is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").finish_non_exhaustive()
    }
}

impl PartialEq for Certificate {
    /// Whether it is the same one still, or has been renewed.
    fn eq(&self, other: &Self) -> bool {
        self.chain == other.chain && self.key.expose_secret() == other.key.expose_secret()
    }
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_never_shown() {
        let certificate: Certificate =
            serde_json::from_str(r#"{"chain":"CHAIN","key":"KEY"}"#).unwrap();
        assert_eq!(certificate.key.expose_secret(), "KEY");
        assert!(!format!("{certificate:?}").contains("KEY"));
    }
}
