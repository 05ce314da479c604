//! headscale as the control server and derper as the relay, on one machine.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use crate::host::{Host, succeed};
use crate::support::child::Child;
use crate::support::http;
use crate::support::patience::{PATIENCE, eventually};

/// Names on the tailnet end with it.
pub(crate) const DOMAIN: &str = "interop.test";

/// The relay region's name, which `tailscale ping` shows.
pub(crate) const REGION: &str = "hub";

/// The two servers. They end with the value.
pub(crate) struct Hub {
    host: Host,
    address: Ipv4Addr,
    key: PathBuf,
    _headscale: Child,
    _derper: Child,
}

/// The path of a program that `tests/interop/build.sh` has built.
pub(crate) fn built(name: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("interop");
    let path = path.join(name);
    assert!(path.is_file(), "no {path:?}: run tests/interop/build.sh");
    path.to_str().unwrap().to_owned()
}

impl Hub {
    /// Starts both and makes a key.
    pub(crate) fn start(host: Host, address: Ipv4Addr) -> Self {
        let (derper, certificate) = derper(&host, address);
        let home = host.home().path().to_owned();
        fs::write(home.join("derp.yaml"), derp_map(address, &certificate)).unwrap();
        fs::write(home.join("headscale.yaml"), configuration(&home, address)).unwrap();
        let config = home.join("headscale.yaml");
        let mut command = host.command(&built("headscale"));
        command.env("HOME", &home).arg("--config").arg(&config);
        let headscale = Child::start("headscale", command.arg("serve"));
        eventually("headscale is healthy", PATIENCE, || {
            let port_open = || std::net::TcpStream::connect((address, 8080)).is_ok();
            host.enter(port_open)
                && host.enter(|| http::request((address, 8080).into(), "GET", "/health").status)
                    == 200
        });
        let mut hub = Self {
            host,
            address,
            key: PathBuf::new(),
            _headscale: headscale,
            _derper: derper,
        };
        hub.headscale(&["users", "create", "tests"]);
        let key = hub.headscale(&[
            "preauthkeys",
            "create",
            "--user",
            "1",
            "--reusable",
            "--expiration",
            "24h",
        ]);
        let key = key.lines().last().expect("headscale prints the key").trim();
        hub.key = hub.host.home().write_secret("key", key);
        hub
    }

    /// The machine they run on.
    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    /// The control server's URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}:8080", self.address)
    }

    /// A file with a key that any number of nodes may use.
    pub(crate) fn key_file(&self) -> &Path {
        &self.key
    }

    /// Runs a command of headscale's administrator.
    #[track_caller]
    pub(crate) fn headscale(&self, arguments: &[&str]) -> String {
        let config = self.host.home().path().join("headscale.yaml");
        let mut command = self.host.command(&built("headscale"));
        command
            .env("HOME", self.host.home().path())
            .arg("--config")
            .arg(config)
            .args(arguments);
        succeed(&mut command)
    }
}

/// Starts derper, which makes its own certificate for an address, and returns the
/// name by which clients pin that.
fn derper(host: &Host, address: Ipv4Addr) -> (Child, String) {
    let home = host.home().path();
    let mut command = host.command(&built("derper"));
    command
        .env("HOME", home)
        .args(["-a", &format!("{address}:443"), "-certmode", "manual"])
        .args(["-hostname", &address.to_string(), "-c"])
        .arg(home.join("derper.json"))
        .arg("-certdir")
        .arg(home);
    let derper = Child::start("derper", &mut command);
    let line = derper
        .stderr
        .wait(PATIENCE, |line| line.contains("sha256-raw:"))
        .expect("derper tells its certificate's name");
    let from = line.find("sha256-raw:").unwrap();
    let name = line[from..].split('"').next().unwrap().to_owned();
    (derper, name)
}

fn derp_map(address: Ipv4Addr, certificate: &str) -> String {
    format!(
        "regions:
  900:
    regionid: 900
    regioncode: {REGION}
    regionname: {REGION}
    nodes:
      - name: {REGION}
        regionid: 900
        hostname: {address}
        ipv4: {address}
        certname: {certificate}
        stunport: 3478
        derpport: 443
"
    )
}

fn configuration(home: &Path, address: Ipv4Addr) -> String {
    let home = home.display();
    format!(
        "server_url: http://{address}:8080
listen_addr: {address}:8080
metrics_listen_addr: 127.0.0.1:9090
grpc_listen_addr: 127.0.0.1:50443
noise:
  private_key_path: {home}/noise.key
prefixes:
  v4: 100.64.0.0/10
  v6: fd7a:115c:a1e0::/48
derp:
  server:
    enabled: false
  urls: []
  paths: [{home}/derp.yaml]
  auto_update_enabled: false
disable_check_updates: true
database:
  type: sqlite
  sqlite:
    path: {home}/headscale.sqlite
dns:
  magic_dns: true
  base_domain: {DOMAIN}
  override_local_dns: false
unix_socket: {home}/headscale.sock
unix_socket_permission: '0700'
logtail:
  enabled: false
log:
  level: info
"
    )
}
