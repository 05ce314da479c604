//! Forwards by the published crate `libtailscale`: a thread for each direction of a
//! connection, each with `std::io::copy` and then a shutdown.
//!
//! ```text
//! libtailscale-forward expose PORT TARGET     a port of the tailnet to a socket of this machine
//! libtailscale-forward connect LOCAL TARGET   the other way round
//! ```
//!
//! From the environment: `TS_AUTHKEY_FILE`, `TS_CONTROL_URL`, `TS_STATE_DIR` and
//! `TS_HOSTNAME`. When connections can be made, a line on stdout says
//! `READY {"address":"100.…"}`, for connect with `"local":"127.0.0.1:…"` too. The program
//! ends when its stdin does.
//!
//! The crate's own Go code closes a connection when either direction has ended, so that a
//! half-close which is passed on here does not reach the other side as one.

use std::error::Error;
use std::io;
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream};
use std::process::exit;
use std::sync::Arc;
use std::thread;

use libtailscale::Tailscale;

fn main() {
    if let Err(error) = run() {
        eprintln!("libtailscale-forward: {error}");
        exit(1);
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        exit(0);
    });
    match arguments[..] {
        ["expose", port, target] => expose(&node()?, port, target),
        ["connect", local, target] => connect(Arc::new(node()?), local, target),
        _ => Err("usage: libtailscale-forward expose PORT TARGET | connect LOCAL TARGET".into()),
    }
}

/// A node that is up.
fn node() -> Result<Tailscale, Box<dyn Error>> {
    let variable = |name| std::env::var(name).map_err(|error| format!("{name}: {error}"));
    let mut node = Tailscale::new();
    node.set_dir(&variable("TS_STATE_DIR")?)?;
    node.set_hostname(&variable("TS_HOSTNAME")?)?;
    node.set_authkey(std::fs::read_to_string(variable("TS_AUTHKEY_FILE")?)?.trim())?;
    node.set_control_url(&variable("TS_CONTROL_URL")?)?;
    node.set_logfd(-1)?;
    node.up()?;
    Ok(node)
}

fn address(node: &Tailscale) -> Result<IpAddr, Box<dyn Error>> {
    let v4 = node.get_ips()?.into_iter().find(IpAddr::is_ipv4);
    Ok(v4.ok_or("the node has no IPv4 address")?)
}

fn expose(node: &Tailscale, port: &str, target: &str) -> Result<(), Box<dyn Error>> {
    let listener = node.listen("tcp", &format!(":{port}"))?;
    println!(r#"READY {{"address":"{}"}}"#, address(node)?);
    for peer in listener.incoming() {
        let (peer, target) = (peer?, target.to_owned());
        thread::spawn(move || match TcpStream::connect(&target) {
            Ok(here) => said(carry(peer, here)),
            Err(error) => eprintln!("dialing {target}: {error}"),
        });
    }
    Ok(())
}

fn connect(node: Arc<Tailscale>, local: &str, target: &str) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(local)?;
    let (address, local) = (address(&node)?, listener.local_addr()?);
    println!(r#"READY {{"address":"{address}","local":"{local}"}}"#);
    for client in listener.incoming() {
        let (client, node, target) = (client?, node.clone(), target.to_owned());
        thread::spawn(move || match node.dial("tcp", &target) {
            Ok(far) => said(carry(far, client)),
            Err(error) => eprintln!("dialing {target}: {error}"),
        });
    }
    Ok(())
}

/// Copies both ways until both have ended; `tailnet` is a socketpair's end.
fn carry(tailnet: TcpStream, here: TcpStream) -> io::Result<()> {
    here.set_nodelay(true)?;
    let (from, to) = (tailnet.try_clone()?, here.try_clone()?);
    let inbound = thread::spawn(move || copy(&from, &to));
    copy(&here, &tailnet);
    inbound
        .join()
        .map_err(|_| io::Error::other("a copy panicked"))
}

/// Copies to the end, and passes that on. A connection that breaks ends too.
fn copy(mut from: &TcpStream, mut to: &TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

fn said(ended: io::Result<()>) {
    if let Err(error) = ended {
        eprintln!("carrying a connection: {error}");
    }
}
