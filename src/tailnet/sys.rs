//! Thin calls into the Go half: the only file of the crate with `unsafe`.
//!
//! Each function is one call of `tailscale.h`. Descriptors come back owned,
//! negative returns as `io::Error`, strings go in as `&CStr`. At the end stands what is
//! asked of the kernel and no library has in a safe form.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_int};
use std::io;
use std::mem::{MaybeUninit, size_of_val};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::AtomicU64;

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

use super::connection::{ConnectionId, Direction, End};
use super::counts::Counts;
use crate::ffi;

/// The largest payload of a frame, in bytes.
pub(crate) const FRAME_MAX: usize = ffi::TAILPORT_FRAME_MAX as usize;

/// A node's handle. The Go half checks it in every call, so a stale one is an
/// error and never another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeHandle(ffi::tailport_node);

pub(crate) fn env(json: &CStr) -> io::Result<()> {
    // SAFETY: the string is NUL-terminated and only read during the call.
    done(unsafe { ffi::tailport_env(json.as_ptr()) })
}

pub(crate) fn logs() -> io::Result<OwnedFd> {
    // SAFETY: the call takes nothing and may be made at any time.
    owned(unsafe { ffi::tailport_logs() })
}

pub(crate) fn start(json: &CStr) -> io::Result<(OwnedFd, NodeHandle)> {
    let mut node = 0;
    // SAFETY: the string is NUL-terminated, `node` is writable, and neither pointer is kept.
    let mailbox = owned(unsafe { ffi::tailport_start(json.as_ptr(), &mut node) })?;
    Ok((mailbox, NodeHandle(node)))
}

pub(crate) fn watch(node: NodeHandle) -> io::Result<OwnedFd> {
    // SAFETY: the call checks the handle itself.
    owned(unsafe { ffi::tailport_watch(node.0) })
}

pub(crate) fn whois(node: NodeHandle, address: &CStr) -> io::Result<OwnedFd> {
    // SAFETY: the string is NUL-terminated and only read during the call.
    owned(unsafe { ffi::tailport_whois(node.0, address.as_ptr()) })
}

pub(crate) fn status(node: NodeHandle) -> io::Result<OwnedFd> {
    // SAFETY: the call checks the handle itself.
    owned(unsafe { ffi::tailport_status(node.0) })
}

pub(crate) fn ping(node: NodeHandle, address: &CStr, timeout_ms: u32) -> io::Result<OwnedFd> {
    // SAFETY: the string is NUL-terminated and only read during the call.
    owned(unsafe { ffi::tailport_ping(node.0, address.as_ptr(), timeout_ms) })
}

pub(crate) fn certificate(node: NodeHandle, domain: &CStr) -> io::Result<OwnedFd> {
    // SAFETY: the string is NUL-terminated and only read during the call.
    owned(unsafe { ffi::tailport_certificate(node.0, domain.as_ptr()) })
}

pub(crate) fn listen(node: NodeHandle, network: &CStr, address: &CStr) -> io::Result<OwnedFd> {
    // SAFETY: both strings are NUL-terminated and only read during the call.
    owned(unsafe { ffi::tailport_listen(node.0, network.as_ptr(), address.as_ptr()) })
}

pub(crate) fn dial(
    node: NodeHandle,
    network: &CStr,
    address: &CStr,
    timeout_ms: u32,
) -> io::Result<OwnedFd> {
    // SAFETY: both strings are NUL-terminated and only read during the call.
    owned(unsafe { ffi::tailport_dial(node.0, network.as_ptr(), address.as_ptr(), timeout_ms) })
}

pub(crate) fn claim(id: ConnectionId) -> io::Result<OwnedFd> {
    // SAFETY: the call checks the id itself.
    owned(unsafe { ffi::tailport_claim(id.0) })
}

pub(crate) fn hold(id: ConnectionId) -> io::Result<()> {
    // SAFETY: the call checks the id itself.
    done(unsafe { ffi::tailport_hold(id.0) })
}

pub(crate) fn flow(id: ConnectionId) -> io::Result<OwnedFd> {
    // SAFETY: the call checks the id itself.
    owned(unsafe { ffi::tailport_flow(id.0) })
}

pub(crate) fn partings(node: NodeHandle) -> io::Result<OwnedFd> {
    // SAFETY: the call checks the handle itself.
    owned(unsafe { ffi::tailport_partings(node.0) })
}

/// The socket comes back with an error.
pub(crate) fn join(
    id: ConnectionId,
    socket: OwnedFd,
    incoming: &'static AtomicU64,
    outgoing: &'static AtomicU64,
) -> Result<(), OwnedFd> {
    let (number, incoming, outgoing) = (socket.as_raw_fd(), incoming.as_ptr(), outgoing.as_ptr());
    // SAFETY: the socket is this function's alone; both numbers are there for ever, and
    // everybody adds to them atomically; the call checks the id itself.
    match done(unsafe { ffi::tailport_join(id.0, number, incoming, outgoing) }) {
        Ok(()) => {
            let _the_other_sides = socket.into_raw_fd();
            Ok(())
        }
        Err(_) => Err(socket),
    }
}

pub(crate) fn take_back(id: ConnectionId) -> io::Result<OwnedFd> {
    // SAFETY: the call checks the id itself.
    owned(unsafe { ffi::tailport_take_back(id.0) })
}

pub(crate) fn abort(id: ConnectionId) -> io::Result<()> {
    // SAFETY: the call checks the id itself.
    done(unsafe { ffi::tailport_abort(id.0) })
}

pub(crate) fn release(id: ConnectionId) -> io::Result<()> {
    // SAFETY: the call checks the id itself.
    done(unsafe { ffi::tailport_release(id.0) })
}

pub(crate) fn end(id: ConnectionId) -> io::Result<End> {
    let mut end = ffi::tailport_end::default();
    // SAFETY: `end` is writable and not kept; the call checks the id itself.
    done(unsafe { ffi::tailport_end(id.0, &mut end) })?;
    Ok(End {
        incoming: direction(end.incoming)?,
        outgoing: direction(end.outgoing)?,
        unacknowledged: end.unacknowledged,
        joined_incoming: end.joined_incoming,
        joined_outgoing: end.joined_outgoing,
        joined_unacknowledged: end.joined_unacknowledged,
    })
}

pub(crate) fn flush(node: NodeHandle, timeout_ms: u32) -> io::Result<OwnedFd> {
    // SAFETY: the call checks the handle itself.
    owned(unsafe { ffi::tailport_flush(node.0, timeout_ms) })
}

pub(crate) fn logout(node: NodeHandle) -> io::Result<OwnedFd> {
    // SAFETY: the call checks the handle itself.
    owned(unsafe { ffi::tailport_logout(node.0) })
}

pub(crate) fn close(node: NodeHandle) -> io::Result<OwnedFd> {
    // SAFETY: the call checks the handle itself.
    owned(unsafe { ffi::tailport_close(node.0) })
}

pub(crate) fn count() -> io::Result<Counts> {
    let mut counts = ffi::tailport_counts::default();
    // SAFETY: `counts` is writable and not kept.
    done(unsafe { ffi::tailport_count(&mut counts) })?;
    Ok(Counts {
        nodes: counts.nodes,
        mailboxes: counts.mailboxes,
        connections: counts.connections,
        lingering: counts.lingering,
        goroutines: counts.goroutines,
        threads: counts.threads,
        dropped_log_lines: counts.dropped_log_lines,
        dropped_datagrams: counts.dropped_datagrams,
        memory: counts.memory,
    })
}

/// Bytes that a kernel TCP or unix socket has taken and its peer has not
/// acknowledged (TCP, where a FIN counts as one) or read (unix, where the
/// kernel counts its buffers, so that only zero is exact).
///
/// # Errors
///
/// What the kernel answers, for example when the descriptor is no socket.
pub fn unacknowledged(socket: BorrowedFd<'_>) -> io::Result<u64> {
    let mut bytes: c_int = 0;
    let answer = ask_kernel(socket, &mut bytes);
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    u64::try_from(bytes).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))
}

#[cfg(target_os = "linux")]
fn ask_kernel(socket: BorrowedFd<'_>, bytes: &mut c_int) -> c_int {
    debug_assert_eq!(size_of_val(bytes), 4);
    // SAFETY: TIOCOUTQ, which is SIOCOUTQ on a socket, writes one int.
    unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, bytes) }
}

#[cfg(target_os = "macos")]
fn ask_kernel(socket: BorrowedFd<'_>, bytes: &mut c_int) -> c_int {
    let mut length = size_of_val(bytes) as libc::socklen_t;
    let value: *mut c_int = bytes;
    // SAFETY: SO_NWRITE writes at most `length` bytes, the size of the int.
    unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NWRITE,
            value.cast(),
            &mut length,
        )
    }
}

/// Has a signal's handler run on the alternate stack of the thread that it comes to,
/// as Go asks of every handler beside its own: a goroutine's stack is too small for
/// one, and what lies next to it is overwritten.
///
/// # Errors
///
/// What the kernel answers, for example for a number that is no signal.
pub fn use_alternate_stack(signal: c_int) -> io::Result<()> {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: with no new action the call only writes the one in force.
    if unsafe { libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has succeeded, so it has written the whole of it.
    let mut action = unsafe { action.assume_init() };
    action.sa_flags |= libc::SA_ONSTACK;
    // SAFETY: the handler stays the one that was in force; it is on the same terms on
    // every thread, whichever stack it runs on.
    match unsafe { libc::sigaction(signal, &action, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Takes a descriptor that the process was started with, and keeps it from its children.
///
/// Call it while the process has a single thread of its own. Only what was there before the
/// program is given: that is open without the close-on-exec flag, which everything has that
/// this process opens itself, and which what is given has from then on.
///
/// # Errors
///
/// `EBADF` when it is not open; `InvalidInput` for one of the three standard ones, and for
/// one that this process has opened, or been given, itself.
pub fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    let own = || {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "it was not passed from outside",
        )
    };
    if number <= libc::STDERR_FILENO {
        return Err(own());
    }
    // SAFETY: the number is not -1, and it is only used to ask whether it is open at all.
    let asked = unsafe { BorrowedFd::borrow_raw(number) };
    if fcntl_getfd(asked)?.contains(FdFlags::CLOEXEC) {
        return Err(own());
    }
    // SAFETY: it is open and came through exec, so nothing in this process owns it.
    let owned = unsafe { OwnedFd::from_raw_fd(number) };
    fcntl_setfd(&owned, FdFlags::CLOEXEC)?;
    Ok(owned)
}

/// Takes the descriptor that a call returned, or its errno.
fn owned(answer: c_int) -> io::Result<OwnedFd> {
    if answer < 0 {
        return Err(io::Error::from_raw_os_error(-answer));
    }
    // SAFETY: every descriptor that the Go half returns is open and the caller's alone.
    Ok(unsafe { OwnedFd::from_raw_fd(answer) })
}

/// The outcome of a call that returns no descriptor.
fn done(answer: c_int) -> io::Result<()> {
    if answer < 0 {
        Err(io::Error::from_raw_os_error(-answer))
    } else {
        Ok(())
    }
}

/// A direction's state; a number that the header does not have is an error.
fn direction(state: i32) -> io::Result<Direction> {
    match u32::try_from(state) {
        Ok(ffi::TAILPORT_OPEN) => Ok(Direction::Open),
        Ok(ffi::TAILPORT_CLEAN) => Ok(Direction::Clean),
        Ok(ffi::TAILPORT_RESET) => Ok(Direction::Reset),
        Ok(ffi::TAILPORT_TIMED_OUT) => Ok(Direction::TimedOut),
        _ => Err(io::Error::from(io::ErrorKind::InvalidData)),
    }
}

#[cfg(test)]
mod tests;
