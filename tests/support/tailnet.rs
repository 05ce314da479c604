//! The private tailnet as a child process: control server, relay and STUN on
//! loopback. It ends with the value, or with the test process.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::child::Child;
use super::go_program;
use super::home::Home;
use super::http::{self, escaped};
use super::patience::{PATIENCE, eventually_some};

/// A tailnet of a test's own.
pub(crate) struct Tailnet {
    child: Child,
    home: Home,
    control_url: String,
    admin: SocketAddr,
    key: String,
}

/// One node as the control server knows it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Known {
    /// Its name, the first label.
    pub(crate) name: String,
    /// Its full name.
    pub(crate) dns_name: String,
    /// Its public key.
    pub(crate) node_key: String,
    /// Its addresses.
    pub(crate) addresses: Vec<IpAddr>,
    /// It has a map poll open.
    pub(crate) polling: bool,
    /// It is connected to the relay.
    pub(crate) at_relay: bool,
    /// How many endpoints it has told.
    pub(crate) endpoints: u32,
    /// Its key has expired.
    pub(crate) expired: bool,
    /// It is gone when it logs out.
    pub(crate) ephemeral: bool,
    /// It answers nothing.
    pub(crate) black_hole: bool,
    /// Its tags.
    pub(crate) tags: Vec<String>,
}

impl Tailnet {
    /// Starts one that wants an auth key from every new node.
    pub(crate) fn start() -> Self {
        Self::start_on(Ipv4Addr::LOCALHOST)
    }

    /// The same, where nodes on other machines reach it.
    pub(crate) fn start_on(host: Ipv4Addr) -> Self {
        Self::launch(&["--host", &host.to_string()])
    }

    /// One that offers its nodes no certificates.
    pub(crate) fn without_certificates() -> Self {
        Self::launch(&["--certificates=false"])
    }

    /// One whose rules grant every node an application capability towards the others.
    pub(crate) fn granting(capability: &str) -> Self {
        Self::launch(&["--grant", capability])
    }

    fn launch(arguments: &[&str]) -> Self {
        let mut command = Command::new(go_program::built("tailnet"));
        command.env_clear().args(arguments);
        let mut child = Child::start("the private tailnet", &mut command);
        let ready = child.ready(PATIENCE);
        let text = |key: &str| ready[key].as_str().expect("a text").to_owned();
        let key = text("auth_key");
        let home = Home::new();
        home.write_secret("auth-key", &key);
        Self {
            home,
            control_url: text("control_url"),
            admin: http::address(&text("admin_url")),
            key,
            child,
        }
    }

    /// What a node's TS_CONTROL_URL is to be.
    pub(crate) fn control_url(&self) -> &str {
        &self.control_url
    }

    /// Where its admin interface listens.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The key that nodes show.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// A file that holds the key and that others may not read.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.home.path().join("auth-key")
    }

    /// Every node of the tailnet.
    pub(crate) fn nodes(&self) -> Vec<Known> {
        serde_json::from_value(self.ask("GET", "/nodes")).expect("a list of nodes")
    }

    /// A node by its name.
    pub(crate) fn node(&self, name: &str) -> Option<Known> {
        self.nodes().into_iter().find(|node| node.name == name)
    }

    /// Waits until a node polls and is at the relay, so that it is reached at the
    /// first packet.
    #[track_caller]
    pub(crate) fn wait_reachable(&self, address: IpAddr) -> Known {
        let here = |node: &Known| node.addresses.contains(&address);
        let up = |node: &Known| node.polling && node.at_relay;
        eventually_some("the node polls and is at the relay", PATIENCE, || {
            self.nodes().into_iter().find(|node| here(node) && up(node))
        })
    }

    /// A node's key expires now.
    pub(crate) fn expire(&self, node: &str) {
        self.post(&format!("/expire?node={}", escaped(node)));
    }

    /// Its expiry is taken back.
    pub(crate) fn extend(&self, node: &str) {
        self.post(&format!("/extend?node={}", escaped(node)));
    }

    /// The node is no more.
    pub(crate) fn delete(&self, node: &str) {
        self.post(&format!("/delete?node={}", escaped(node)));
    }

    /// Adds an online peer that answers nothing, and returns it.
    pub(crate) fn black_hole(&self) -> Known {
        serde_json::from_value(self.post("/black-hole")).expect("a node")
    }

    /// How the control server behaves: `ok`, `silent`, `refuse`, or a status that
    /// register requests get.
    pub(crate) fn control(&self, mode: &str) {
        self.post(&format!("/control?mode={mode}"));
    }

    /// A status for one place: `register`, `map` or `door`.
    pub(crate) fn control_at(&self, place: &str, status: u16) {
        self.post(&format!("/control?mode={status}&at={place}"));
    }

    /// How the relay behaves: `up`, `down` or `silent`.
    pub(crate) fn relay(&self, mode: &str) {
        self.post(&format!("/derp?mode={mode}"));
    }

    /// Who may join: `required`, `open`, `login`, `once`, `expired`, `spent` or
    /// `unauthorized`.
    pub(crate) fn key_policy(&self, policy: &str) {
        self.post(&format!("/auth-key?key={policy}"));
    }

    /// What a person does at a login URL.
    pub(crate) fn complete_login(&self, url: &str) {
        self.post(&format!("/complete-login?url={}", escaped(url)));
    }

    /// Lets a node host a Tailscale Service and tells it the addresses.
    pub(crate) fn approve(&self, service: &str, node: &str) {
        self.post(&format!("/approve?{}", of_service(service, node)));
    }

    /// Takes that back.
    pub(crate) fn take_back(&self, service: &str, node: &str) {
        let which = of_service(service, node);
        self.post(&format!("/approve?{which}&approved=false"));
    }

    /// Sends what is for a service's addresses to a node; returns them, IPv4 first.
    pub(crate) fn lead(&self, service: &str, node: &str) -> Vec<IpAddr> {
        let led = self.post(&format!("/lead?{}", of_service(service, node)));
        serde_json::from_value(led["addresses"].clone()).expect("addresses")
    }

    /// The services that a node says it hosts; `None` when it cannot be asked now.
    pub(crate) fn advertised(&self, node: &str) -> Option<Value> {
        let path = format!("/advertised?node={}", escaped(node));
        let answer = http::request(self.admin, "GET", &path);
        let told = serde_json::from_str(&answer.body);
        (answer.status == 200).then(|| told.expect("the admin interface answers JSON"))
    }

    /// Any other admin call that changes something.
    #[track_caller]
    pub(crate) fn post(&self, path: &str) -> Value {
        self.ask("POST", path)
    }

    /// Ends it as its parent's death would, and waits.
    pub(crate) fn end(mut self) {
        self.child.close_stdin();
        self.child.wait_exit(Duration::from_secs(20));
    }

    /// A directory of its own.
    pub(crate) fn directory(&self) -> &Path {
        self.home.path()
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str) -> Value {
        let answer = http::request(self.admin, method, path);
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.body);
        serde_json::from_str(&answer.body).expect("the admin interface answers JSON")
    }
}

fn of_service(service: &str, node: &str) -> String {
    format!("service={}&node={}", escaped(service), escaped(node))
}
