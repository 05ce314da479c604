//! One side breaks, or stops reading, in the middle of a transfer: the other side
//! sees just that, and other connections see nothing.

use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::flow::{Flow, closing_of};
use crate::stage;
use crate::support::content::{self, MIB};
use crate::support::patience::{PATIENCE, eventually};
use crate::support::socket::{self, end_of, is_reset};

/// What one connection may hold on its way: the buffers of four sockets of this
/// machine, of two socket pairs and of two network stacks.
const IN_FLIGHT: u64 = 32 * MIB;

/// How long nothing must move for a sender to count as held back.
const STANDSTILL: Duration = Duration::from_millis(1500);

/// Half of what was promised is sent, then a reset: the far side reads what had
/// arrived, and a reset, never an end of stream.
fn breaks(mut breaking: TcpStream, mut far: TcpStream) -> io::Result<u64> {
    let reading = thread::spawn(move || end_of(&mut far));
    content::send(&mut breaking, MIB, 1).unwrap();
    socket::reset(breaking);
    reading.join().unwrap()
}

#[test]
fn a_target_that_resets_in_mid_transfer_resets_the_peer() {
    let (lane, other) = (stage::pair().lane(), stage::pair().lane());
    let mut bystander = Flow::open(&other);
    let (near, far) = (&stage::pair().connecting, &stage::pair().exposing);
    let marks = (near.stderr().mark(), far.stderr().mark());
    let (client, served) = lane.open();
    let end = breaks(served, client);
    assert!(is_reset(&end), "a reset, not {end:?}");
    let line = closing_of(far, marks.1, &lane.expose());
    assert_eq!(
        (&line["ended"], &line["ended_by"]),
        (&"reset".into(), &"target".into())
    );
    let line = closing_of(near, marks.0, &lane.connect());
    assert_eq!(
        (&line["ended"], &line["ended_by"]),
        (&"reset".into(), &"target".into())
    );
    bystander.talks();
}

#[test]
fn a_peer_that_resets_in_mid_transfer_resets_the_target() {
    let (lane, other) = (stage::pair().lane(), stage::pair().lane());
    let mut bystander = Flow::open(&other);
    let (near, far) = (&stage::pair().connecting, &stage::pair().exposing);
    let marks = (near.stderr().mark(), far.stderr().mark());
    let (client, served) = lane.open();
    let end = breaks(client, served);
    assert!(is_reset(&end), "a reset, not {end:?}");
    let line = closing_of(near, marks.0, &lane.connect());
    assert_eq!(
        (&line["ended"], &line["ended_by"]),
        (&"reset".into(), &"peer".into())
    );
    let line = closing_of(far, marks.1, &lane.expose());
    assert_eq!(
        (&line["ended"], &line["ended_by"]),
        (&"reset".into(), &"peer".into())
    );
    bystander.talks();
}

#[test]
fn a_target_that_never_reads_holds_back_its_own_peer_alone() {
    let (lane, other) = (stage::pair().lane(), stage::pair().lane());
    let (client, mut served) = lane.open();
    let sent = Arc::new(AtomicU64::new(0));
    let sending = send_counted(client, 2 * IN_FLIGHT, Arc::clone(&sent));
    let mut last = (0, Instant::now());
    eventually("the sender is held back", PATIENCE, || {
        let now = sent.load(Relaxed);
        if now != last.0 {
            last = (now, Instant::now());
        }
        now > 0 && last.1.elapsed() >= STANDSTILL
    });
    assert!(last.0 < IN_FLIGHT, "{} bytes are on their way", last.0);

    // Somebody else's 4 MiB pass by.
    let (mut client, mut target) = other.open();
    let receiving = thread::spawn(move || content::receive(&mut target).unwrap());
    let content = content::send(&mut client, 4 * MIB, 3).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(receiving.join().unwrap(), content);
    assert!(sent.load(Relaxed) < IN_FLIGHT);

    // In the end it reads after all, and nothing is missing.
    let got = content::receive(&mut served).unwrap();
    assert_eq!(got, content::expected(2 * IN_FLIGHT, 2));
    drop(served);
    sending.join().unwrap();
}

/// Sends on a thread of its own and counts what has been taken.
fn send_counted(client: TcpStream, length: u64, sent: Arc<AtomicU64>) -> thread::JoinHandle<()> {
    struct Counted(TcpStream, Arc<AtomicU64>);
    impl Write for Counted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = self.0.write(bytes)?;
            self.1.fetch_add(taken as u64, Relaxed);
            Ok(taken)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    thread::spawn(move || {
        let mut counted = Counted(client, sent);
        content::send(&mut counted, length, 2).unwrap();
        counted.0.shutdown(Shutdown::Write).unwrap();
        // Dropped sooner it would be reset.
        let _ = end_of(&mut counted.0);
    })
}
