//! A message over a unix socket that has a descriptor with it.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

/// Takes one message, without waiting on a socket that does not block: how much of it
/// there was, and its descriptor, which no child of this process gets.
///
/// # Errors
///
/// What the kernel answers. A descriptor that the process had no room for is missing.
pub(super) fn receive(
    from: BorrowedFd<'_>,
    message: &mut [u8],
) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut passed = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(from, &mut [IoSliceMut::new(message)], &mut passed, FLAGS)?;
    let mut descriptors = passed.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(rights) => Some(rights),
        _ => None,
    });
    let descriptor = descriptors.next().and_then(|mut rights| rights.next());
    #[cfg(target_os = "macos")]
    if let Some(descriptor) = &descriptor {
        rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::CLOEXEC)?;
    }
    Ok((received.bytes, descriptor))
}

#[cfg(target_os = "macos")]
const FLAGS: RecvFlags = RecvFlags::empty();

#[cfg(not(target_os = "macos"))]
const FLAGS: RecvFlags = RecvFlags::CMSG_CLOEXEC;
