//! Talks through the published crate: dials a target and compares what comes back after
//! its half-close, then answers so many connections as `c/talk.c` does.
//!
//! usage: libtailscale-client DIRECTORY CONTROL_URL KEY_FILE HOST:PORT CONNECTIONS

use std::error::Error;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use libtailscale::Tailscale;

/// Longer than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, control_url, key_file, target, connections] = &arguments[..] else {
        return Err("five arguments are needed".into());
    };
    let mut node = Tailscale::new();
    node.set_dir(&format!("{directory}/crate"))?;
    node.set_hostname("crate")?;
    node.set_authkey(std::fs::read_to_string(key_file)?.trim())?;
    node.set_control_url(control_url)?;
    node.set_ephemeral(true)?;
    node.set_logfd(-1)?;
    node.up()?;

    let question: Vec<u8> = (0..1_u32 << 20).map(|n| (n ^ n >> 9) as u8).collect();
    let answer = asked(dialed(&node, target)?, &question)?;
    if answer != question {
        return Err(format!("the answer has {} bytes and is another", answer.len()).into());
    }

    let listener = node.listen("tcp", ":7000")?;
    let address = node.get_ips()?.into_iter().find(|ip| ip.is_ipv4());
    println!("READY {{\"address\":\"{}\"}}", address.ok_or("no address")?);
    for _ in 0..connections.parse()? {
        let (mut stream, from) = listener.accept_with_addr()?;
        let mut said = Vec::new();
        stream.read_to_end(&mut said)?;
        writeln!(stream, "{from}")?;
        stream.write_all(&said)?;
    }

    let refused = node.dial("tcp", "no port").unwrap_err();
    if !refused.contains("missing port") {
        return Err(format!("a dial that makes no sense: {refused}").into());
    }
    Ok(())
}

/// The target is there; that this node has heard of its host may take a moment.
fn dialed(node: &Tailscale, target: &str) -> Result<TcpStream, String> {
    let start = Instant::now();
    loop {
        match node.dial("tcp", target) {
            Err(_) if start.elapsed() < PATIENCE => thread::sleep(Duration::from_millis(10)),
            answer => return answer,
        }
    }
}

/// Sends, ends its own direction, and reads to the end of the other.
fn asked(mut stream: TcpStream, question: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(question)?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}
