//! `tokio::io::copy_bidirectional` with its default buffers, a task a connection.

use std::io;
use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

/// Relays until stdin ends.
pub(super) fn run(target: SocketAddr) {
    let runtime = super::runtime();
    let listener = runtime
        .block_on(TcpListener::bind(super::loopback()))
        .expect("listening on loopback");
    let address = listener.local_addr().expect("a listener has an address");
    runtime.spawn(async move {
        loop {
            let (client, _) = listener.accept().await.expect("accepting");
            tokio::spawn(relay(client, target));
        }
    });
    super::ready(address);
}

async fn relay(mut client: TcpStream, target: SocketAddr) -> io::Result<()> {
    let mut target = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    target.set_nodelay(true)?;
    copy_bidirectional(&mut client, &mut target).await?;
    Ok(())
}
