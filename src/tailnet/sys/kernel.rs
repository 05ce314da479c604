//! What is asked of the kernel and no library has in a safe form.

use std::ffi::c_int;
use std::io;
use std::mem::{MaybeUninit, size_of_val};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

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

#[cfg(test)]
mod tests;
