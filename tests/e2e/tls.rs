//! TLS that the node ends with its own certificate, from outside: a chain that
//! clients trust, both ends of the stream, and clients that do not speak it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, OnceLock};

use serde_json::Value;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, StreamOwned,
    SupportedProtocolVersion, crypto::ring, version,
};

use crate::stage;
use crate::support::authority::Authority;
use crate::support::black_hole::BlackHole;
use crate::support::content::{self, MIB};
use crate::support::patience::PATIENCE;
use crate::support::server::Server;
use crate::support::settings::Settings;
use crate::support::socket;
use crate::support::tailnet::Tailnet;
use crate::support::tailport::Tailport;

const WEB: u16 = 443;
const HASHING: u16 = 8443;
const SENDING: u16 = 8444;
const ECHO: u16 = 8445;
const SILENT: u16 = 8446;
const OLD: u16 = 8447;

/// What curl ends with when there is no handshake.
const CURL_HANDSHAKE: i32 = 35;
/// What curl ends with when it does not trust the certificate.
const CURL_UNTRUSTED: i32 = 60;

/// A node that ends TLS on several ports, and what is behind them.
struct World {
    authority: Authority,
    node: Tailport,
    /// The node's full name.
    name: String,
    _targets: [Server; 4],
}

/// One for all tests: the certificate takes a while.
fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let authority = Authority::start(stage::tailnet());
        let targets = [
            Server::web(),
            Server::hashing(),
            Server::sending(MIB, 5),
            Server::echo(),
        ];
        let [web, hashing, sending, echo] = targets.each_ref().map(Server::address);
        let places = [
            (WEB, web),
            (HASHING, hashing),
            (SENDING, sending),
            (ECHO, echo),
            (SILENT, echo),
            (OLD, echo),
        ];
        let expose = places.map(|(port, target)| format!("{port}/tls={target}"));
        let node = stage::start(
            &trusting(stage::settings(), &authority).set("TS_EXPOSE", expose.join(",")),
        );
        let known = stage::tailnet().node(&node.ready().hostname);
        World {
            authority,
            name: known.expect("the node is known").dns_name,
            node,
            _targets: targets,
        }
    })
}

/// Settings that keep every question about certificates on this machine.
fn trusting(settings: Settings, authority: &Authority) -> Settings {
    settings
        .set("TS_DEBUG_ACME_DIRECTORY_URL", authority.directory_url())
        .set("SSL_CERT_FILE", authority.trust())
        .set("TS_LOG_FORMAT", "json")
}

impl World {
    /// A connection of the stock peer before any handshake.
    fn dial(&self, port: u16) -> TcpStream {
        stage::peer().dial(self.node.at(port))
    }

    /// A handshake on it with a client that trusts the authority and expects the
    /// node's full name.
    fn shake(
        &self,
        port: u16,
        versions: &[&'static SupportedProtocolVersion],
    ) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        let trusted = CertificateDer::pem_file_iter(self.authority.trust()).expect("a file");
        for certificate in trusted {
            let certificate = certificate.expect("a certificate");
            roots.add(certificate).expect("a certificate to trust");
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .expect("versions that there are")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(self.name.clone()).expect("a name");
        let client = ClientConnection::new(Arc::new(config), name).expect("a client");
        let mut stream = StreamOwned::new(client, self.dial(port));
        let (client, socket) = (&mut stream.conn, &mut stream.sock);
        while client.is_handshaking() {
            client.complete_io(socket).expect("a handshake");
        }
        stream
    }

    #[track_caller]
    fn closing(&self, port: u16) -> Value {
        let forward = format!("expose {port}/tls");
        self.node
            .wait_for_closing(|line| line["forward"] == forward.as_str())
    }
}

/// Ends the client's direction by close_notify, and nothing else.
fn end(stream: &mut StreamOwned<ClientConnection, TcpStream>) {
    stream.conn.send_close_notify();
    stream.flush().expect("sending");
}

/// curl for the node's name, through a node that connects there.
fn curl(entry: &Tailport, more: &[&str]) -> Output {
    Command::new("curl")
        .env_clear()
        .args(["-q", "--silent", "--show-error", "--max-time", "60"])
        .args(["--connect-to", &format!("::{}", entry.local())])
        .args(more)
        .arg(format!("https://{}/", world().name))
        .stdin(Stdio::null())
        .output()
        .expect("this test needs curl: install the package curl")
}

#[test]
fn clients_that_trust_the_authority_accept_the_chain_for_the_nodes_name() {
    let world = world();
    for (offered, chosen) in [
        (&version::TLS12, ProtocolVersion::TLSv1_2),
        (&version::TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let mut client = world.shake(ECHO, &[offered]);
        assert_eq!(client.conn.protocol_version(), Some(chosen));
        client.write_all(b"?").expect("writing");
        client.read_exact(&mut [0]).expect("an echo");
    }
}

#[test]
fn curl_gets_its_page_and_without_the_root_it_does_not_trust_the_node() {
    let world = world();
    let entry = stage::start(&stage::settings().connect(world.node.at(WEB)));
    let trust = world.authority.trust().display().to_string();
    for version in ["1.2", "1.3"] {
        let output = curl(&entry, &["--cacert", &trust, "--tls-max", version]);
        assert!(output.status.success(), "TLS {version}: {output:?}");
        assert_eq!(output.stdout, b"hello\n");
    }
    let output = curl(&entry, &[]);
    assert_eq!(output.status.code(), Some(CURL_UNTRUSTED), "{output:?}");
}

#[test]
fn tls_1_1_is_refused_by_the_node() {
    let world = world();
    let entry = stage::start(&stage::settings().connect(world.node.at(OLD)));
    // By itself curl's library would not even offer it.
    let old = [
        "--insecure",
        "--tlsv1.1",
        "--tls-max",
        "1.1",
        "--ciphers",
        "ALL:@SECLEVEL=0",
    ];
    let output = curl(&entry, &old);
    assert_eq!(output.status.code(), Some(CURL_HANDSHAKE), "{output:?}");
    let line = world.closing(OLD);
    assert_eq!(line["ended"], "open_failed", "{line}");
    let error = line["error"].as_str().expect("a text");
    assert!(error.contains("incompatible"), "{line}");
}

#[test]
fn a_client_that_ends_by_close_notify_still_gets_its_answer_and_its_end() {
    let world = world();
    let mut client = world.shake(HASHING, &[&version::TLS13]);
    let sent = content::send(&mut client, MIB, 6).expect("sending");
    end(&mut client);
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("a close_notify");
    assert_eq!(answer, format!("{} {}\n", sent.length, sent.hash));
    let line = world.closing(HASHING);
    assert_eq!(line["ended"], "clean", "{line}");
    assert_eq!(line["to_target"], MIB, "{line}");
}

#[test]
fn a_target_that_ends_first_is_a_close_notify_and_still_hears_the_client() {
    let world = world();
    let mut client = world.shake(SENDING, &[&version::TLS12]);
    let got = content::receive(&mut client).expect("a close_notify");
    assert_eq!(got, content::expected(MIB, 5));
    content::send(&mut client, MIB, 6).expect("the way there is open");
    end(&mut client);
    let line = world.closing(SENDING);
    assert_eq!(line["ended"], "clean", "{line}");
    assert_eq!(line["to_target"], MIB, "{line}");
    assert_eq!(line["to_peer"], MIB, "{line}");
}

#[test]
fn a_client_that_sends_garbage_costs_only_its_own_connection() {
    let world = world();
    let mut well = world.shake(ECHO, &[&version::TLS13]);
    let mark = world.node.stderr().mark();
    let mut garbage = world.dial(ECHO);
    garbage
        .write_all(b"GET / HTTP/1.0\r\n\r\n")
        .expect("writing");
    let end = socket::end_of(&mut garbage);
    assert!(socket::is_closed(&end), "{end:?}");
    let failed =
        |line: &Value| line["ended"] == "open_failed" && line["forward"] == "expose 8445/tls";
    let line = world.node.wait_for_closing_from(mark, failed);
    assert_eq!(line["to_target"], 0, "{line}");
    well.write_all(b"?").expect("writing");
    well.read_exact(&mut [0]).expect("an echo");
}

#[test]
fn a_client_that_says_nothing_is_ended_at_the_dial_timeout() {
    let world = world();
    let mut silent = world.dial(SILENT);
    let end = socket::end_of(&mut silent);
    assert!(socket::is_closed(&end), "{end:?}");
    let line = world.closing(SILENT);
    assert_eq!(line["ended"], "open_failed", "{line}");
    let error = line["error"].as_str().expect("a text");
    assert!(error.contains("not done in 5s"), "{line}");
}

#[test]
fn a_tailnet_without_certificates_is_a_clear_error_at_the_start() {
    let tailnet = Tailnet::without_certificates();
    let settings = Settings::on(&tailnet).set("TS_EXPOSE", "443/tls=127.0.0.1:8080");
    let mut node = trusting(settings, &world().authority).spawn();
    assert_eq!(node.wait_code(PATIENCE), 64);
    let lines = node.stderr().lines();
    let error = lines.iter().find_map(|line| line.strip_prefix("ERROR "));
    let error: Value = serde_json::from_str(error.expect("an ERROR line")).expect("JSON");
    assert_eq!(error["kind"], "no_certificates", "{error}");
    let detail = error["detail"].as_str().expect("a text");
    assert!(detail.contains("turn HTTPS"), "{error}");
}

#[test]
fn a_node_that_waits_for_its_certificate_stops_when_it_is_told_to() {
    let nobody = BlackHole::new();
    let mut node = stage::settings()
        .set(
            "TS_DEBUG_ACME_DIRECTORY_URL",
            format!("https://{}/dir", nobody.address()),
        )
        .set("TS_EXPOSE", "443/tls=127.0.0.1:9")
        .spawn();
    node.wait_for_text("getting the certificate");
    node.terminate();
    assert_eq!(node.wait_code(PATIENCE), 0);
}
