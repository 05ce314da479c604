//! TLS that ends here: the bytes inside, both ends of them, and what is no end.

use std::sync::Arc;

use tailport::proxy::{
    endpoint::{Accept, Incoming},
    kernel::{KernelListener, KernelStream},
    summary::{DirectionEnd, Party},
    tls::{Certificates, TlsListener, TlsStream},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector, client,
    rustls::{
        self, ClientConfig, RootCertStore,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

use crate::serving::listener;
use crate::support::{MIB, acknowledged, drain, hash, is_reset, pattern, start, tcp, unlimited};
use crate::support::{ORDERS, Order};

const NAME: &str = "node.example";

/// A certificate for the name, and its key, as PEM.
fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// A client that trusts one certificate.
fn connector(chain: &str, versions: &[&'static rustls::SupportedProtocolVersion]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(chain.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config).into()
}

type Client = client::TlsStream<TcpStream>;

async fn shake(
    listener: &mut TlsListener<KernelListener>,
    to: &TcpStream,
) -> TlsStream<KernelStream> {
    let incoming = listener.accept().await.unwrap();
    assert_eq!(
        incoming.peer().to_string(),
        to.local_addr().unwrap().to_string()
    );
    incoming.claim().unwrap()
}

/// The two ends of a TLS connection: the relay's, and the test's.
async fn tls(
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> (TlsStream<KernelStream>, Client) {
    let (chain, key) = certificate();
    let certificates = Arc::new(Certificates::new(&chain, &key).unwrap());
    let (address, inner) = listener().await;
    let mut listener = TlsListener::new(inner, &certificates).unwrap();
    let tcp = TcpStream::connect(address).await.unwrap();
    let mut stream = shake(&mut listener, &tcp).await;
    let name = ServerName::try_from(NAME).unwrap();
    let (opened, client) = tokio::join!(
        tailport::proxy::endpoint::Stream::open(&mut stream),
        connector(&chain, versions).connect(name, tcp)
    );
    opened.unwrap();
    (stream, client.unwrap())
}

#[tokio::test]
async fn each_side_ends_its_direction_by_itself_and_nothing_is_lost() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for order in ORDERS {
            let (request, answer) = (pattern(3 * MIB, 1), pattern(3 * MIB, 2));
            let ((a, mut client), (b, mut server)) = (tls(&[version]).await, tcp().await);
            let running = start(order, unlimited(), a, b);
            let serving = tokio::spawn({
                let answer = answer.clone();
                async move {
                    let (request, error) = drain(&mut server).await;
                    server.write_all(&answer).await.unwrap();
                    server.shutdown().await.unwrap();
                    (request, error)
                }
            });
            client.write_all(&request).await.unwrap();
            client.shutdown().await.unwrap();
            let (got, client_error) = drain(&mut client).await;
            let (asked, server_error) = serving.await.unwrap();
            assert_eq!(hash(&asked), hash(&request), "{order:?}");
            assert_eq!(hash(&got), hash(&answer), "{order:?}");
            assert!(client_error.is_none() && server_error.is_none());
            let summary = running.task.await.unwrap();
            for flow in [summary.to_target, summary.to_peer] {
                assert_eq!(
                    (flow.end, flow.bytes),
                    (DirectionEnd::Clean, 3 * MIB as u64)
                );
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_ends_first_still_hears_the_client() {
    let ((a, mut client), (b, mut server)) = (tls(rustls::ALL_VERSIONS).await, tcp().await);
    let running = start(Order::AsPeer, unlimited(), a, b);
    server.write_all(b"welcome").await.unwrap();
    server.shutdown().await.unwrap();
    let (got, error) = drain(&mut client).await;
    assert_eq!((got.as_slice(), error.is_none()), (&b"welcome"[..], true));
    client.write_all(b"thanks").await.unwrap();
    client.shutdown().await.unwrap();
    let (got, error) = drain(&mut server).await;
    assert_eq!((got.as_slice(), error.is_none()), (&b"thanks"[..], true));
    let summary = running.task.await.unwrap();
    assert_eq!(summary.first, Some(Party::Target));
    assert_eq!(summary.to_target.end, DirectionEnd::Clean);
}

#[tokio::test]
async fn bytes_that_a_slow_reader_leaves_in_the_session_arrive_without_more_being_written() {
    let ((a, mut client), (b, mut server)) = (tls(rustls::ALL_VERSIONS).await, tcp().await);
    let _running = start(Order::AsPeer, unlimited(), a, b);
    let answer = pattern(8 * MIB, 3);
    let writing = tokio::spawn({
        let answer = answer.clone();
        async move {
            server.write_all(&answer).await.unwrap();
            server
        }
    });
    // Neither side ends: only what was flushed can come.
    let mut got = vec![0; answer.len()];
    for piece in got.chunks_mut(100_000) {
        tokio::task::yield_now().await;
        client.read_exact(piece).await.unwrap();
    }
    assert_eq!(hash(&got), hash(&answer));
    drop(writing.await.unwrap());
}

#[tokio::test]
async fn a_transport_that_ends_without_close_notify_is_a_reset() {
    let ((a, mut client), (b, mut server)) = (tls(rustls::ALL_VERSIONS).await, tcp().await);
    let running = start(Order::AsPeer, unlimited(), a, b);
    client.write_all(b"half a sent").await.unwrap();
    let (tcp, _) = client.into_inner();
    acknowledged(&tcp).await;
    drop(tcp);
    let (got, error) = drain(&mut server).await;
    assert_eq!(got, b"half a sent");
    assert!(is_reset(error.as_ref()), "{error:?}");
    let summary = running.task.await.unwrap();
    assert_eq!(summary.to_target.end, DirectionEnd::Reset);
}

#[tokio::test]
async fn what_is_no_handshake_is_an_error_before_any_target_is_asked() {
    let (chain, key) = certificate();
    let certificates = Arc::new(Certificates::new(&chain, &key).unwrap());
    let (address, inner) = listener().await;
    let mut listener = TlsListener::new(inner, &certificates).unwrap();
    let mut tcp = TcpStream::connect(address).await.unwrap();
    let mut stream = shake(&mut listener, &tcp).await;
    tcp.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let opened = tailport::proxy::endpoint::Stream::open(&mut stream).await;
    assert!(opened.is_err());
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_from_the_next_handshake_on_and_disturbs_nobody() {
    let ((old_chain, old_key), (new_chain, new_key)) = (certificate(), certificate());
    let certificates = Arc::new(Certificates::new(&old_chain, &old_key).unwrap());
    let (address, inner) = listener().await;
    let mut listener = TlsListener::new(inner, &certificates).unwrap();
    let name = || ServerName::try_from(NAME).unwrap();
    let open = async |listener: &mut TlsListener<KernelListener>, trusted: &str| {
        let tcp = TcpStream::connect(address).await.unwrap();
        let mut stream = shake(listener, &tcp).await;
        let connector = connector(trusted, rustls::ALL_VERSIONS);
        let (_, client) = tokio::join!(
            tailport::proxy::endpoint::Stream::open(&mut stream),
            connector.connect(name(), tcp)
        );
        client.map(|client| (stream, client))
    };
    let (mut stream, mut before) = open(&mut listener, &old_chain).await.unwrap();
    certificates.replace(&new_chain, &new_key).unwrap();
    assert!(open(&mut listener, &old_chain).await.is_err());
    assert!(open(&mut listener, &new_chain).await.is_ok());
    before.write_all(b"still here").await.unwrap();
    before.flush().await.unwrap();
    let mut got = [0; 10];
    stream.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"still here");
}
