//! A stock node as a child process, with nothing of ours in it: it dials and
//! listens on demand, so that a test has a single tailport in the path.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::process::Command;

use super::child::Child;
use super::go_program;
use super::home::Home;
use super::patience::PATIENCE;
use super::settings::STAY_HERE;
use super::socket;
use super::tailnet::Tailnet;

/// A stock node. It ends with the value.
pub(crate) struct Peer {
    address: IpAddr,
    door: SocketAddr,
    _child: Child,
    _home: Home,
}

/// A port of the peer that leads to this machine, until dropped.
pub(crate) struct Listening(#[allow(dead_code)] TcpStream);

impl Peer {
    /// Starts one. Start it before the nodes that it is to meet: they know it then
    /// from their start.
    pub(crate) fn start(tailnet: &Tailnet) -> Self {
        Self::launched_by(&["env"], tailnet)
    }

    /// Has another program start it; these words come before its own.
    pub(crate) fn launched_by(words: &[&str], tailnet: &Tailnet) -> Self {
        let home = Home::new();
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .arg(go_program::built("peer"))
            .env_clear()
            .envs(STAY_HERE)
            .args(["--control-url", tailnet.control_url()])
            .arg("--auth-key-file")
            .arg(tailnet.key_file())
            .arg("--dir")
            .arg(home.state());
        let mut child = Child::start("the stock peer", &mut command);
        let ready = child.ready(PATIENCE);
        let text = |key: &str| ready[key].as_str().expect("a text");
        let address = text("address").parse().expect("an address");
        let door = text("door").parse().expect("an address and a port");
        tailnet.wait_reachable(address);
        Self {
            address,
            door,
            _child: child,
            _home: home,
        }
    }

    /// Its address on the tailnet.
    pub(crate) fn address(&self) -> IpAddr {
        self.address
    }

    /// Waits until it and a node have spoken with each other, so that the next
    /// packet between them arrives.
    #[track_caller]
    pub(crate) fn greet(&self, node: IpAddr) {
        self.ask(&format!("GREET {node}"))
            .expect("the peer greets the node");
    }

    /// Dials an address of the tailnet from the peer; the stream is the
    /// connection, half-closes and resets from the tailnet included.
    #[track_caller]
    pub(crate) fn dial(&self, to: SocketAddr) -> TcpStream {
        self.try_dial(to).expect("the peer dials")
    }

    /// Dials an address behind which there is an echo, and has a line come back.
    #[track_caller]
    pub(crate) fn converse(&self, to: SocketAddr) {
        let mut client = self.dial(to);
        client.write_all(b"there and back\n").expect("sending");
        client.shutdown(Shutdown::Write).expect("half-closing");
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("an answer");
        assert_eq!(answer, "there and back\n");
    }

    /// As [`Peer::dial`]; an error is the peer's.
    pub(crate) fn try_dial(&self, to: SocketAddr) -> Result<TcpStream, String> {
        self.ask(&format!("DIAL {to}"))
    }

    /// Leads a port of the peer to an address of this machine.
    #[track_caller]
    pub(crate) fn listen(&self, port: u16, target: SocketAddr) -> Listening {
        let asked = self.ask(&format!("LISTEN {port} {target}"));
        Listening(asked.expect("the peer listens"))
    }

    /// Sends a request to its door; the stream is at the byte after the `OK`.
    pub(crate) fn ask(&self, request: &str) -> Result<TcpStream, String> {
        let mut stream = socket::connect(self.door);
        writeln!(stream, "{request}").map_err(|error| error.to_string())?;
        let mut answer = String::new();
        // A buffer of one byte: what follows the line belongs to the connection.
        BufReader::with_capacity(1, Read::by_ref(&mut stream))
            .read_line(&mut answer)
            .map_err(|error| error.to_string())?;
        match answer.trim_end() {
            "OK" => Ok(stream),
            refused => Err(format!("{request}: {refused}")),
        }
    }
}
