//! Thin calls into the Go half: the only room of the crate with `unsafe`.
//!
//! Each function is one call of `tailscale.h`. Descriptors come back owned,
//! negative returns as `io::Error`, strings go in as `&CStr`. One function is called
//! from there; [`kernel`] has what is asked of the kernel.

#![allow(unsafe_code)]

mod kernel;
#[cfg(target_os = "linux")]
mod timers;

use std::ffi::{CStr, c_char, c_int};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::slice;
use std::sync::atomic::AtomicU64;

pub use kernel::{inherited, unacknowledged, use_alternate_stack};

use super::connection::{ConnectionId, Direction, End};
use super::counts::Counts;
use super::hand::{self, Hand};
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

pub(crate) fn listen(
    node: NodeHandle,
    network: &CStr,
    address: &CStr,
    hand: &Hand,
) -> io::Result<OwnedFd> {
    let hand = held_out(hand);
    // SAFETY: both strings are NUL-terminated, and all three are only read during the call.
    owned(unsafe { ffi::tailport_listen(node.0, network.as_ptr(), address.as_ptr(), &hand) })
}

/// A dial under way; dropping it cancels it.
#[derive(Debug)]
pub(crate) struct Dialing(ffi::tailport_id);

pub(crate) fn dial(
    node: NodeHandle,
    network: &CStr,
    address: &CStr,
    timeout_ms: u32,
    hand: &Hand,
) -> io::Result<Dialing> {
    let (hand, mut dial) = (held_out(hand), 0);
    // SAFETY: both strings are NUL-terminated, all three are only read during the call, and
    // `dial` is writable and not kept.
    done(unsafe {
        let (network, address) = (network.as_ptr(), address.as_ptr());
        ffi::tailport_dial(node.0, network, address, timeout_ms, &hand, &mut dial)
    })?;
    Ok(Dialing(dial))
}

impl Drop for Dialing {
    fn drop(&mut self) {
        // SAFETY: the call checks the id itself. EBADF says that it is over already.
        let _ = done(unsafe { ffi::tailport_cancel(self.0) });
    }
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

pub(crate) fn partings(node: NodeHandle, hand: &Hand) -> io::Result<OwnedFd> {
    let hand = held_out(hand);
    // SAFETY: `hand` is only read during the call, which checks the handle itself.
    owned(unsafe { ffi::tailport_partings(node.0, &hand) })
}

fn held_out(hand: &Hand) -> ffi::tailport_hand {
    ffi::tailport_hand {
        take: Some(take_by_hand),
        key: hand.key(),
    }
}

/// What the Go half calls with a message, from any thread of its own.
extern "C" fn take_by_hand(key: u64, message: *const c_char, length: usize) -> c_int {
    // SAFETY: the contract promises `length` bytes, not null, that stay during the call.
    let message = unsafe { slice::from_raw_parts(message.cast::<u8>(), length) };
    if hand::offer(key, message) { 0 } else { -1 }
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
