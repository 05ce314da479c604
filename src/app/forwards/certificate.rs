//! The node's certificate, for every forward that speaks TLS: got at the start and
//! renewed while the program runs.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use crate::app::failure::Failure;
use crate::config::chain;
use crate::exit::Exit;
use crate::proxy::tls::{Certificates, TlsListener};
use crate::tailnet::{Certificate, ErrorKind, Questions};

/// How long the first certificate may take: the tailnet's DNS has to show a proof,
/// and the authority has to look at it.
const FIRST: Duration = Duration::from_secs(180);

/// How often the certificate is asked for. The library renews it weeks before its
/// end, and answers from its memory otherwise.
const ASK: Duration = Duration::from_secs(3600);

/// The certificate in use. Dropping it ends the renewal.
pub(super) struct Keeper {
    certificates: Arc<Certificates>,
    _renewing: AbortOnDropHandle<()>,
}

impl Keeper {
    /// Gets the certificate of the node's own name.
    ///
    /// # Errors
    /// The tailnet offers none, or none could be had now.
    pub(super) async fn start(questions: Questions) -> Result<Self, Failure> {
        let status = questions.status().await?;
        let Some(domain) = status.own.node.cert_domains.first().cloned() else {
            return Err(Failure::new(
                Exit::Usage,
                ErrorKind::NoCertificates.name(),
                "a forward speaks TLS, and this tailnet offers no certificates: turn HTTPS \
                 certificates on in the admin console (headscale has none), or forward TCP and \
                 let the target speak TLS",
            ));
        };
        tracing::info!(domain, "getting the certificate, which can take a while");
        let asked = timeout(FIRST, questions.certificate(&domain)).await;
        let certificate = match asked {
            Ok(certificate) => certificate?,
            Err(_) => {
                return Err(Failure::new(
                    Exit::Unreachable,
                    ErrorKind::TimedOut.name(),
                    format!("no certificate for {domain} within {FIRST:?}: try again later"),
                ));
            }
        };
        let certificates =
            Certificates::new(&certificate.chain, certificate.key.expose_secret())
                .map_err(|error| Failure::new(Exit::Other, "no_certificates", chain(&error)))?;
        let certificates = Arc::new(certificates);
        let renewing = renew(questions, domain, certificate, Arc::clone(&certificates));
        Ok(Self {
            certificates,
            _renewing: AbortOnDropHandle::new(tokio::spawn(renewing)),
        })
    }

    /// A listener that shows the certificate.
    pub(super) fn listener<A>(&self, inner: A) -> Result<TlsListener<A>, Failure> {
        TlsListener::new(inner, &self.certificates)
            .map_err(|error| Failure::new(Exit::Internal, "internal", chain(&error)))
    }
}

/// Asks again and again, and uses what has been renewed.
async fn renew(
    questions: Questions,
    domain: String,
    mut current: Certificate,
    certificates: Arc<Certificates>,
) {
    loop {
        sleep(ASK).await;
        let certificate = match questions.certificate(&domain).await {
            Ok(certificate) if certificate == current => continue,
            Ok(certificate) => certificate,
            Err(error) => {
                tracing::warn!(domain, %error, "the certificate could not be asked for");
                continue;
            }
        };
        match certificates.replace(&certificate.chain, certificate.key.expose_secret()) {
            Ok(()) => {
                tracing::info!(domain, "the certificate has been renewed");
                current = certificate;
            }
            Err(error) => {
                tracing::error!(
                    domain,
                    error = chain(&error),
                    "a renewed certificate is no use"
                );
            }
        }
    }
}
