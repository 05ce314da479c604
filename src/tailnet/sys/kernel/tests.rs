//! What the kernel answers.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use super::super::tests::assert_errno;
use super::*;

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
