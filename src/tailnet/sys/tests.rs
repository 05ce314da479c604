//! The Go half's own checks: what is null, unknown or over is an errno.

use std::ptr;
use std::sync::Arc;
use std::thread;

use super::super::hand::Take;
use super::*;

const NO_NODE: NodeHandle = NodeHandle(0);
const UNKNOWN_NODE: NodeHandle = NodeHandle(u64::MAX);
const NO_CONNECTION: ConnectionId = ConnectionId(0);
const UNKNOWN_CONNECTION: ConnectionId = ConnectionId(u64::MAX);

/// Takes nothing.
struct Nobody;

impl Take for Nobody {
    fn take(&self, _: &[u8]) -> bool {
        false
    }
}

#[track_caller]
pub(super) fn assert_errno<T: std::fmt::Debug>(answer: io::Result<T>, errno: i32) {
    assert_eq!(answer.unwrap_err().raw_os_error(), Some(errno));
}

#[test]
fn null_pointers_are_errors() {
    let null = ptr::null();
    let mut node = 0;
    // SAFETY: the contract answers null with EINVAL.
    let env = unsafe { ffi::tailport_env(null) };
    // SAFETY: as above.
    let no_options = unsafe { ffi::tailport_start(null, &mut node) };
    // SAFETY: as above.
    let no_node = unsafe { ffi::tailport_start(c"{}".as_ptr(), ptr::null_mut()) };
    // SAFETY: as above.
    let no_counts = unsafe { ffi::tailport_count(ptr::null_mut()) };
    let answers = [env, no_options, no_node, no_counts];
    assert_eq!(answers, [-libc::EINVAL; 4]);

    // SAFETY: the contract answers null with EINVAL and an unknown id with EBADF.
    let no_end = unsafe { ffi::tailport_end(u64::MAX, ptr::null_mut()) };
    // SAFETY: as above.
    let no_listen = unsafe { ffi::tailport_listen(u64::MAX, null, null, ptr::null()) };
    // SAFETY: as above.
    let no_dial =
        unsafe { ffi::tailport_dial(u64::MAX, null, null, 1, ptr::null(), ptr::null_mut()) };
    // SAFETY: as above.
    let no_cancel = unsafe { ffi::tailport_cancel(u64::MAX) };
    // SAFETY: as above.
    let no_whois = unsafe { ffi::tailport_whois(u64::MAX, null) };
    // SAFETY: as above.
    let no_ping = unsafe { ffi::tailport_ping(u64::MAX, null, 1) };
    // SAFETY: as above.
    let no_certificate = unsafe { ffi::tailport_certificate(u64::MAX, null) };
    for answer in [
        no_end,
        no_listen,
        no_dial,
        no_cancel,
        no_whois,
        no_ping,
        no_certificate,
    ] {
        assert!([-libc::EINVAL, -libc::EBADF].contains(&answer), "{answer}");
    }
}

#[test]
fn options_that_are_no_json_are_einval() {
    assert_errno(start(c"no json"), libc::EINVAL);
    assert_errno(start(c"[]"), libc::EINVAL);
    assert_errno(env(c"{"), libc::EINVAL);
}

#[test]
fn unknown_nodes_and_connections_are_ebadf_from_every_thread() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let _inside = runtime.enter();
    let hand = Arc::new(Hand::new(Arc::new(Nobody)));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let hand = Arc::clone(&hand);
            thread::spawn(move || {
                let hand = &*hand;
                for _ in 0..200 {
                    for node in [NO_NODE, UNKNOWN_NODE] {
                        assert_errno(watch(node), libc::EBADF);
                        assert_errno(whois(node, c"100.64.0.1"), libc::EBADF);
                        assert_errno(status(node), libc::EBADF);
                        assert_errno(ping(node, c"100.64.0.1", 1000), libc::EBADF);
                        assert_errno(certificate(node, c"a.example"), libc::EBADF);
                        assert_errno(listen(node, c"tcp", c":22", hand), libc::EBADF);
                        assert_errno(partings(node, hand), libc::EBADF);
                        assert_errno(dial(node, c"tcp", c"peer:22", 1000, hand), libc::EBADF);
                        assert_errno(flush(node, 1000), libc::EBADF);
                        assert_errno(logout(node), libc::EBADF);
                        assert_errno(close(node), libc::EBADF);
                    }
                    for id in [NO_CONNECTION, UNKNOWN_CONNECTION] {
                        assert_errno(claim(id), libc::EBADF);
                        assert_errno(end(id), libc::EBADF);
                        assert_errno(abort(id), libc::EBADF);
                        assert_errno(release(id), libc::EBADF);
                    }
                }
            })
        })
        .collect();
    assert!(!threads.is_empty());
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn a_state_the_header_does_not_have_is_an_error() {
    assert_eq!(direction(2).unwrap(), Direction::Reset);
    assert!(direction(-1).is_err());
    assert!(direction(4).is_err());
}
