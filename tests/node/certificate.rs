//! A certificate for a node's own name, from an authority on loopback.

use secrecy::ExposeSecret;
use tailport::tailnet::ErrorKind;

use crate::stage::{self, in_time, up};
use crate::support::home::Home;

#[tokio::test]
async fn a_node_gets_a_certificate_and_keeps_it() {
    let home = Home::new();
    let (node, info) = up(&stage::options(&home, "certified")).await;
    let domain = info.cert_domains.first().unwrap();
    assert_eq!(Some(domain), info.dns_name.as_ref());
    let questions = node.questions();
    let first = in_time(questions.certificate(domain)).await.unwrap();
    let blocks = first.chain.matches("-----BEGIN CERTIFICATE-----").count();
    assert!(blocks >= 2, "{blocks} certificates are no chain");
    let key = first.key.expose_secret();
    assert!(key.contains("PRIVATE KEY-----") && !first.chain.contains("PRIVATE"));
    let second = in_time(questions.certificate(domain)).await.unwrap();
    assert!(first == second, "it is asked for anew every time");

    let error = in_time(questions.certificate("other.example"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoCertificates, "{error}");
    node.close().await.unwrap();
}
