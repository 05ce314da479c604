//! The Go half's own checks: what is null, unknown or over is an errno.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::ptr;
use std::thread;
use std::time::{Duration, Instant};

use super::*;

const NO_NODE: NodeHandle = NodeHandle(0);
const UNKNOWN_NODE: NodeHandle = NodeHandle(u64::MAX);
const NO_CONNECTION: ConnectionId = ConnectionId(0);
const UNKNOWN_CONNECTION: ConnectionId = ConnectionId(u64::MAX);

#[track_caller]
fn assert_errno<T: std::fmt::Debug>(answer: io::Result<T>, errno: i32) {
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
    let no_listen = unsafe { ffi::tailport_listen(u64::MAX, null, null) };
    // SAFETY: as above.
    let no_dial = unsafe { ffi::tailport_dial(u64::MAX, null, null, 1) };
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
    let threads: Vec<_> = (0..8)
        .map(|_| {
            thread::spawn(|| {
                for _ in 0..200 {
                    for node in [NO_NODE, UNKNOWN_NODE] {
                        assert_errno(watch(node), libc::EBADF);
                        assert_errno(whois(node, c"100.64.0.1"), libc::EBADF);
                        assert_errno(status(node), libc::EBADF);
                        assert_errno(ping(node, c"100.64.0.1", 1000), libc::EBADF);
                        assert_errno(certificate(node, c"a.example"), libc::EBADF);
                        assert_errno(listen(node, c"tcp", c":22"), libc::EBADF);
                        assert_errno(dial(node, c"tcp", c"peer:22", 1000), libc::EBADF);
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

#[test]
fn unacknowledged_bytes_of_a_unix_socket_are_what_is_unread() {
    let (mut here, mut there) = UnixStream::pair().unwrap();
    assert_eq!(unacknowledged(here.as_fd()).unwrap(), 0);
    here.write_all(&[1; 1000]).unwrap();
    assert!(unacknowledged(here.as_fd()).unwrap() >= 1000);
    there.read_exact(&mut [0; 1000]).unwrap();
    assert_eq!(unacknowledged(here.as_fd()).unwrap(), 0);
}

#[test]
fn unacknowledged_bytes_of_a_tcp_socket_go_to_zero_without_a_reader() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let _there = listener.accept().unwrap();
    here.write_all(&[1; 1000]).unwrap();
    let start = Instant::now();
    while unacknowledged(here.as_fd()).unwrap() > 0 {
        assert!(start.elapsed() < Duration::from_secs(10));
        thread::yield_now();
    }
}

#[test]
fn asking_for_a_file_is_an_error() {
    let file = std::fs::File::open("/dev/null").unwrap();
    assert!(unacknowledged(file.as_fd()).is_err());
}

#[test]
fn a_handler_moves_to_the_alternate_stack_and_stays_the_same() {
    let action = || {
        let mut action = MaybeUninit::<libc::sigaction>::uninit();
        // SAFETY: with no new action the call only writes the one in force.
        let answer = unsafe { libc::sigaction(libc::SIGUSR2, ptr::null(), action.as_mut_ptr()) };
        assert_eq!(answer, 0);
        // SAFETY: the call has succeeded.
        unsafe { action.assume_init() }
    };
    let before = action();
    assert_eq!(before.sa_flags & libc::SA_ONSTACK, 0, "no test at all");
    use_alternate_stack(libc::SIGUSR2).unwrap();
    let after = action();
    assert_ne!(after.sa_flags & libc::SA_ONSTACK, 0);
    assert_eq!(after.sa_sigaction, before.sa_sigaction);
    assert_errno(use_alternate_stack(-1), libc::EINVAL);
}

#[test]
fn what_this_process_has_opened_was_not_passed_from_outside() {
    let (own, _other) = UnixStream::pair().unwrap();
    let kind = |number| inherited(number).unwrap_err().kind();
    assert_eq!(kind(own.as_raw_fd()), io::ErrorKind::InvalidInput);
    assert_eq!(kind(0), io::ErrorKind::InvalidInput);
    assert_eq!(kind(-1), io::ErrorKind::InvalidInput);
    assert_errno(inherited(RawFd::MAX), libc::EBADF);
}
