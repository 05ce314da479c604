//! The certificate in use, which can be replaced while connections come.

use std::sync::{Arc, PoisonError, RwLock};

use thiserror::Error;
use tokio_rustls::rustls::{
    self,
    crypto::ring::sign::any_supported_type,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

/// The certificate of a listener. A replaced one is used from the next handshake
/// on; connections that run keep theirs.
#[derive(Debug)]
pub struct Certificates(RwLock<Arc<CertifiedKey>>);

/// Why a certificate cannot be used.
#[derive(Debug, Error)]
pub enum Unusable {
    /// The PEM text holds no certificate or no key.
    #[error("reading the certificate")]
    Pem(#[from] rustls::pki_types::pem::Error),
    /// The key is of no supported sort or is not the certificate's.
    #[error("using the certificate")]
    Key(#[from] rustls::Error),
}

impl Certificates {
    /// Begins with a chain and its key, both as PEM.
    ///
    /// # Errors
    /// What is wrong with them; the key's text is never part of it.
    pub fn new(chain: &str, key: &str) -> Result<Self, Unusable> {
        Ok(Self(RwLock::new(certified(chain, key)?)))
    }

    /// Uses another chain and key from now on.
    ///
    /// # Errors
    /// What is wrong with them; the ones in use stay.
    pub fn replace(&self, chain: &str, key: &str) -> Result<(), Unusable> {
        let certified = certified(chain, key)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = certified;
        Ok(())
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&current))
    }
}

fn certified(chain: &str, key: &str) -> Result<Arc<CertifiedKey>, Unusable> {
    let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<Vec<_>, _>>()?;
    let key = any_supported_type(&PrivateKeyDer::from_pem_slice(key.as_bytes())?)?;
    let certified = CertifiedKey::new(chain, key);
    certified.keys_match()?;
    Ok(Arc::new(certified))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["node.example".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn a_bad_certificate_does_not_replace_a_good_one() {
        let ((chain, key), (other, _)) = (pair(), pair());
        let certificates = Certificates::new(&chain, &key).unwrap();
        let before = certificates.0.read().unwrap().cert.clone();
        for (chain, key) in [("", &*key), (&*chain, ""), (&other, &key), ("-----", "x")] {
            let error = certificates.replace(chain, key).unwrap_err();
            assert!(!error.to_string().contains("PRIVATE"), "{error}");
        }
        assert_eq!(certificates.0.read().unwrap().cert, before);
        let (chain, key) = pair();
        certificates.replace(&chain, &key).unwrap();
        assert_ne!(certificates.0.read().unwrap().cert, before);
    }
}
