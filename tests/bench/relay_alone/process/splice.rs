//! splice(2), blocking: socket to pipe to socket, a thread a direction.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

/// What a pipe is asked to hold, and the most that is moved at once.
const PIPE: usize = 1024 * 1024;

/// Relays until stdin ends.
pub(super) fn run(target: SocketAddr) {
    let listener = TcpListener::bind(super::loopback()).expect("listening on loopback");
    let address = listener.local_addr().expect("a listener has an address");
    thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.expect("accepting");
            thread::spawn(move || relay(client, target));
        }
    });
    super::ready(address);
}

fn relay(client: TcpStream, target: SocketAddr) -> io::Result<()> {
    let target = TcpStream::connect(target)?;
    client.set_nodelay(true)?;
    target.set_nodelay(true)?;
    let (client, target) = (Arc::new(client), Arc::new(target));
    let back = {
        let (client, target) = (Arc::clone(&client), Arc::clone(&target));
        thread::spawn(move || carry(&target, &client))
    };
    carry(&client, &target);
    // What went wrong there has been told to both sockets.
    let _ = back.join();
    Ok(())
}

/// One direction to its end, which is passed on.
fn carry(from: &TcpStream, to: &TcpStream) {
    if move_all(from, to).is_ok() {
        let _ = to.shutdown(Shutdown::Write);
    } else {
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}

fn move_all(from: &TcpStream, to: &TcpStream) -> io::Result<()> {
    let (outlet, inlet) = pipe_with(PipeFlags::CLOEXEC)?;
    // A user without the right to more keeps what the kernel gives.
    let _ = fcntl_setpipe_size(&inlet, PIPE);
    loop {
        let mut held = splice(from, None, &inlet, None, PIPE, SpliceFlags::MOVE)?;
        if held == 0 {
            return Ok(());
        }
        while held > 0 {
            held -= splice(&outlet, None, to, None, held, SpliceFlags::MOVE)?;
        }
    }
}
