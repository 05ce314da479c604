//! A target that sends back what it gets, on as many connections as there are
//! descriptors, from one thread.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

use crate::support::socket;

/// The target. Its connections end with it.
pub(crate) struct Echo {
    address: SocketAddr,
    open: Arc<AtomicUsize>,
    total: Arc<AtomicUsize>,
    runtime: Option<Runtime>,
}

impl Echo {
    /// Starts one on loopback.
    pub(crate) fn start() -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("starting a runtime");
        let listener = socket::listen();
        let address = listener.local_addr().expect("a listener has an address");
        let (open, total) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (opened, counted) = (Arc::clone(&open), Arc::clone(&total));
        runtime.spawn(async move {
            listener.set_nonblocking(true).expect("setting a flag");
            let listener = TcpListener::from_std(listener).expect("a listener of the runtime");
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                };
                opened.fetch_add(1, SeqCst);
                counted.fetch_add(1, SeqCst);
                let opened = Arc::clone(&opened);
                tokio::spawn(async move {
                    let _ = serve(stream).await;
                    opened.fetch_sub(1, SeqCst);
                });
            }
        });
        Self {
            address,
            open,
            total,
            runtime: Some(runtime),
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections open now.
    pub(crate) fn open(&self) -> usize {
        self.open.load(SeqCst)
    }

    /// All connections so far.
    pub(crate) fn total(&self) -> usize {
        self.total.load(SeqCst)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut block = [0; 512];
    loop {
        let read = stream.read(&mut block).await?;
        if read == 0 {
            return stream.shutdown().await;
        }
        stream.write_all(&block[..read]).await?;
    }
}
