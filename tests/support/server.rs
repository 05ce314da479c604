//! TCP servers on loopback that count their connections.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

use super::{content, socket};

/// A server; it stops accepting when dropped, and open connections run out.
pub(crate) struct Server {
    address: SocketAddr,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    open: AtomicUsize,
    peak: AtomicUsize,
    total: AtomicUsize,
    stopped: AtomicBool,
}

impl Server {
    /// Sends back what it gets, then its end of stream.
    pub(crate) fn echo() -> Self {
        Self::serving(|mut stream| {
            let mut block = [0; 16 * 1024];
            loop {
                let read = stream.read(&mut block)?;
                if read == 0 {
                    return stream.shutdown(Shutdown::Write);
                }
                stream.write_all(&block[..read])?;
            }
        })
    }

    /// Reads to the end of stream and only then answers: `LENGTH HASH` in a line.
    pub(crate) fn hashing() -> Self {
        Self::serving(|mut stream| {
            let got = content::receive(&mut stream)?;
            writeln!(stream, "{} {}", got.length, got.hash)
        })
    }

    /// Sends `length` bytes of `seed` and its end of stream at once, then reads to
    /// the peer's end.
    pub(crate) fn sending(length: u64, seed: u64) -> Self {
        Self::serving(move |mut stream| {
            content::send(&mut stream, length, seed)?;
            stream.shutdown(Shutdown::Write)?;
            io::copy(&mut stream, &mut io::sink()).map(drop)
        })
    }

    /// Answers a request by HTTP, whatever it asks for, with the line `hello`.
    pub(crate) fn web() -> Self {
        Self::serving(|mut stream| {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte)? == 1 {
                head.extend(byte);
            }
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n";
            stream.write_all(answer.as_bytes())
        })
    }

    /// Serves every connection on a thread of its own; an error ends that one.
    pub(crate) fn serving(
        serve: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = socket::listen();
        let address = listener.local_addr().expect("a listener has an address");
        let counts = Arc::new(Counts::default());
        let serve = Arc::new(serve);
        let shared = Arc::clone(&counts);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.stopped.load(SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let open = shared.open.fetch_add(1, SeqCst) + 1;
                shared.peak.fetch_max(open, SeqCst);
                shared.total.fetch_add(1, SeqCst);
                let (shared, serve) = (Arc::clone(&shared), Arc::clone(&serve));
                thread::spawn(move || {
                    let _ = serve(stream);
                    shared.open.fetch_sub(1, SeqCst);
                });
            }
        });
        Self { address, counts }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections open now.
    pub(crate) fn open(&self) -> usize {
        self.counts.open.load(SeqCst)
    }

    /// The most connections that were open at one time.
    pub(crate) fn peak(&self) -> usize {
        self.counts.peak.load(SeqCst)
    }

    /// All connections so far.
    pub(crate) fn total(&self) -> usize {
        self.counts.total.load(SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.counts.stopped.store(true, SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}
