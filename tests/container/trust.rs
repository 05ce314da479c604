//! Whom the program in the image trusts in TLS: the image's certificates, or those
//! that SSL_CERT_FILE names. The node's own certificate is ordered over such TLS
//! before it is ready.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::engine::{Container, Volume};
use crate::stage;
use crate::support::authority::Authority;
use crate::support::server::Server;
use crate::support::tailnet::Tailnet;

/// The image's certificates.
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A place of which the program knows nothing.
const ELSEWHERE: &str = "/trust.pem";

#[test]
#[ignore = "needs the image: make image"]
fn it_trusts_the_certificates_of_the_image_or_those_that_it_is_given() {
    let tailnet = Tailnet::start();
    let authority = Authority::start(&tailnet);
    let server = Server::echo();
    for (place, more) in [
        (BUNDLE, vec![]),
        // Without a directory of certificates at all.
        (
            ELSEWHERE,
            vec![
                format!("--env=SSL_CERT_FILE={ELSEWHERE}"),
                "--tmpfs=/etc/ssl".to_owned(),
            ],
        ),
    ] {
        let settings = stage::settings(&tailnet)
            .set("TS_DEBUG_ACME_DIRECTORY_URL", authority.directory_url())
            .set("TS_EXPOSE", format!("443/tls={}", server.address()));
        let trust = settings.directory().path().join("trust.pem");
        fs::copy(authority.trust(), &trust).unwrap();
        fs::set_permissions(&trust, Permissions::from_mode(0o444)).unwrap();
        let volume = Volume::new();
        let options = vec![
            volume.option(),
            stage::key(&settings, &tailnet),
            format!("--volume={}:{place}:ro", trust.display()),
        ];
        let mut container = Container::run(&settings, &[options, more].concat());
        container.ready();
        assert_eq!(container.stop(), 0, "{place}");
    }
}
