//! Two machines with a node each, a third one for the control server and the
//! relay, and a router between them: a network that tests can break.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::flow::Flow;
use crate::host::Host;
use crate::support::patience::{PATIENCE, eventually, eventually_some};
use crate::support::settings::Settings;
use crate::support::socket;
use crate::support::tailnet::Tailnet;
use crate::support::tailport::Tailport;
use crate::wire::Wire;

/// The exposed port.
const PORT: u16 = 7000;

/// A node that exposes a target, on the far machine, and one that connects to it,
/// on the near machine.
pub(crate) struct Machines {
    exposing: Tailport,
    connecting: Tailport,
    target: TcpListener,
    tailnet: Tailnet,
    /// Where the exposing node and its target are.
    pub(crate) far: Host,
    /// Where the connecting node and its clients are.
    pub(crate) near: Host,
    far_address: String,
    hub: Host,
    /// The router.
    pub(crate) wire: Wire,
}

impl Machines {
    /// Makes the machines and starts both nodes.
    pub(crate) fn start() -> Self {
        let mut wire = Wire::new();
        let (hub, at) = wire.attach("hub");
        let (far, far_address) = wire.attach("far");
        let (near, _) = wire.attach("near");
        let tailnet = hub.enter(|| Tailnet::start_on(at));
        let target = far.enter(socket::listen);
        let start = |machine: &Host, settings: &Settings| {
            let mut node = machine.enter(|| settings.spawn());
            let address = node.wait_ready().address();
            hub.enter(|| tailnet.wait_reachable(address));
            node
        };
        let exposing = Settings::on(&tailnet).expose(PORT, target.local_addr().unwrap());
        let exposing = start(&far, &exposing);
        let connecting = Settings::on(&tailnet)
            .set("TS_DIAL_TIMEOUT", "20s")
            .connect(exposing.at(PORT));
        let connecting = start(&near, &connecting);
        Self {
            exposing,
            connecting,
            target,
            tailnet,
            far,
            near,
            far_address: far_address.to_string(),
            hub,
            wire,
        }
    }

    /// A new connection, from a client on the near machine to the target on the
    /// far one. Something has been said both ways by it.
    #[track_caller]
    pub(crate) fn open(&self) -> Flow {
        self.try_open().expect("a connection through both nodes")
    }

    /// The same where packets are lost: there is none if the dial is not answered in
    /// time. The client speaks at once: where the last segment of the handshake is lost,
    /// what it says tells the far node of the connection. Without that, one in a hundred
    /// takes more than half a minute, in which the handshake is repeated five times.
    #[track_caller]
    pub(crate) fn try_open(&self) -> Option<Flow> {
        const HELLO: [u8; 1] = *b"h";
        let entry = self.connecting.local();
        let mut client = self.near.enter(|| socket::connect(entry));
        client.write_all(&HELLO).expect("saying hello");
        let what = "a connection at the target, or its end at the client";
        let mut served = eventually_some(what, PATIENCE, || {
            let served = socket::accept_now(&self.target).map(Some);
            served.or_else(|| has_ended(&client).then_some(None))
        })?;
        let mut heard = [0];
        served.read_exact(&mut heard).expect("hearing hello");
        assert_eq!(heard, HELLO);
        let mut flow = Flow::of((client, served));
        flow.talks();
        Some(flow)
    }

    /// Waits until both nodes hear from control and are at the relay.
    #[track_caller]
    pub(crate) fn wait_reachable(&self) {
        for node in [&self.exposing, &self.connecting] {
            let address = node.address();
            self.hub.enter(|| self.tailnet.wait_reachable(address));
        }
    }

    /// Waits until the connecting node has logged a text, in a line after `mark`, and
    /// returns the mark after what it has logged by then.
    #[track_caller]
    pub(crate) fn wait_for_log(&self, mark: usize, text: &str) -> usize {
        let log = self.connecting.stderr();
        let said = log.wait_from(mark, PATIENCE, |line| line.contains(text));
        assert!(said.is_some(), "the log has no line with: {text}");
        log.mark()
    }

    /// How the relay behaves from now on.
    pub(crate) fn relay(&self, mode: &str) {
        self.hub.enter(|| self.tailnet.relay(mode));
    }

    /// Waits until what the exposing node sends comes from its own machine, and
    /// not from the relay's.
    #[track_caller]
    pub(crate) fn wait_direct(&self, flow: &mut Flow) {
        let rule = ["-p", "udp", "-s", &self.far_address];
        let seen = Filter::new(&self.near, &rule);
        eventually("the nodes speak directly", PATIENCE, || {
            let before = seen.packets();
            flow.talks();
            seen.packets() > before
        });
    }
}

/// Whether a connection on which nothing was said yet is over.
fn has_ended(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("setting a flag");
    let ended =
        !matches!(stream.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
    stream.set_nonblocking(false).expect("setting a flag");
    ended
}

/// A rule before all others for what comes to a machine, for as long as it is
/// kept.
pub(crate) struct Filter<'a> {
    host: &'a Host,
    rule: Vec<&'a str>,
}

impl<'a> Filter<'a> {
    /// Adds the rule. One without a target only counts.
    pub(crate) fn new(host: &'a Host, rule: &[&'a str]) -> Self {
        let rule = rule.to_vec();
        let filter = Self { host, rule };
        filter.change("-I");
        filter
    }

    /// How many packets it has met, while no other one is before it.
    pub(crate) fn packets(&self) -> u64 {
        let line = self.host.run("iptables", &["-w", "-nvxL", "INPUT", "1"]);
        let count = line.split_whitespace().next().expect("a count");
        count.parse().expect("a number")
    }

    fn change(&self, how: &str) {
        let mut arguments = vec!["-w", how, "INPUT"];
        arguments.extend(&self.rule);
        self.host.run("iptables", &arguments);
    }
}

impl Drop for Filter<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.change("-D");
        }
    }
}
