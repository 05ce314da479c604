//! A stock tailscaled on a machine of its own, and its command line.

use std::net::IpAddr;

use serde_json::Value;

use crate::host::{Host, succeed};
use crate::hub::{Hub, REGION, built};
use crate::support::child::Child;
use crate::support::patience::{PATIENCE, eventually_some};
use crate::support::settings::STAY_HERE;

/// Where its SOCKS5 server listens, in userspace mode.
pub(crate) const SOCKS5: &str = "127.0.0.1:1055";

/// How tailscaled joins its machine to the tailnet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// By a kernel device: programs need to know nothing of it.
    Tun,
    /// By its own network stack: programs go through its SOCKS5 server.
    Userspace,
}

/// A node that is not ours.
pub(crate) struct Stranger {
    /// The machine it runs on.
    pub(crate) host: Host,
    addresses: Vec<IpAddr>,
    _daemon: Child,
}

impl Stranger {
    /// Starts one and joins it to the tailnet.
    pub(crate) fn join(host: Host, mode: Mode, hub: &Hub) -> Self {
        let home = host.home().path().to_owned();
        let mut command = host.command(&built("tailscaled"));
        command
            .env("HOME", &home)
            .envs(STAY_HERE)
            .args(["--no-logs-no-support", "--statedir"])
            .arg(home.join("state"))
            .arg("--socket")
            .arg(home.join("socket"));
        match mode {
            Mode::Tun => command.arg("--tun=tailscale0"),
            Mode::Userspace => {
                command.args(["--tun=userspace-networking", "--socks5-server", SOCKS5])
            }
        };
        let daemon = Child::start(host.name(), &mut command);
        eventually_some("the socket of tailscaled", PATIENCE, || {
            home.join("socket").exists().then_some(())
        });
        let mut stranger = Self {
            host,
            addresses: Vec::new(),
            _daemon: daemon,
        };
        let key = format!("file:{}", hub.key_file().display());
        stranger.tailscale(&[
            "up",
            "--login-server",
            &hub.url(),
            "--auth-key",
            &key,
            "--hostname",
            stranger.host.name(),
            "--accept-dns=false",
            "--timeout=60s",
        ]);
        stranger.addresses = stranger.status()["Self"]["TailscaleIPs"]
            .as_array()
            .expect("a node has addresses")
            .iter()
            .map(|address| address.as_str().unwrap().parse().unwrap())
            .collect();
        stranger
    }

    /// Its IPv4 address on the tailnet.
    pub(crate) fn v4(&self) -> IpAddr {
        *self.addresses.iter().find(|ip| ip.is_ipv4()).unwrap()
    }

    /// Its IPv6 address on the tailnet.
    pub(crate) fn v6(&self) -> IpAddr {
        *self.addresses.iter().find(|ip| ip.is_ipv6()).unwrap()
    }

    /// Runs a command of `tailscale` to a successful end.
    #[track_caller]
    pub(crate) fn tailscale(&self, arguments: &[&str]) -> String {
        succeed(&mut self.cli(arguments))
    }

    /// A command of `tailscale`.
    pub(crate) fn cli(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = self.host.command(&built("tailscale"));
        command
            .arg("--socket")
            .arg(self.host.home().path().join("socket"))
            .args(arguments);
        command
    }

    /// Waits until packets reach a node without the relay.
    #[track_caller]
    pub(crate) fn wait_direct(&self, node: IpAddr) {
        self.wait_pong(node, "via 198.18.");
    }

    /// Waits until packets reach a node through the relay.
    #[track_caller]
    pub(crate) fn wait_relayed(&self, node: IpAddr) {
        self.wait_pong(node, &format!("via DERP({REGION})"));
    }

    /// Waits until it has a WireGuard session with a node. When both ends begin the
    /// first one in the same moment, WireGuard may need 5 s or 15 s to settle on
    /// one, and a dial that waits for that retries ever more rarely.
    #[track_caller]
    pub(crate) fn wait_session(&self, node: IpAddr) {
        self.wait_ping(node, &["--tsmp"], "pong from");
    }

    #[track_caller]
    fn wait_pong(&self, node: IpAddr, path: &str) {
        self.wait_ping(node, &["--until-direct=false"], path);
    }

    #[track_caller]
    fn wait_ping(&self, node: IpAddr, how: &[&str], path: &str) {
        let node = node.to_string();
        let ping = [&["ping", "--c=1", "--timeout=2s"], how, &[&node]].concat();
        eventually_some(&format!("a pong from {node} {path}"), PATIENCE, || {
            let output = self.cli(&ping).output().expect("starting tailscale");
            String::from_utf8_lossy(&output.stdout)
                .contains(path)
                .then_some(())
        });
    }

    /// Whether it has heard of a node and at which relay it is.
    pub(crate) fn has_relay_of(&self, node: IpAddr) -> bool {
        self.peer(node)
            .is_some_and(|peer| peer["Relay"].as_str() == Some(REGION))
    }

    /// Whether what it sends to a node goes directly, by its own account.
    pub(crate) fn is_direct(&self, node: IpAddr) -> bool {
        let peer = self.peer(node).expect("the node is a peer");
        peer["CurAddr"].as_str().is_some_and(|at| !at.is_empty())
    }

    fn peer(&self, node: IpAddr) -> Option<Value> {
        let status = self.status();
        let has = |peer: &&Value| {
            let addresses = peer["TailscaleIPs"].as_array();
            addresses.is_some_and(|all| all.iter().any(|ip| *ip == node.to_string()))
        };
        status["Peer"].as_object()?.values().find(has).cloned()
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.tailscale(&["status", "--json"])).expect("a status in JSON")
    }
}
