package main

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// fionread asks a socket for the number of bytes waiting to be read.
const fionread = 0x4004667f // FIONREAD of sys/filio.h

// unsent is how many bytes written to a socket its other end has not acknowledged.
func unsent(fd int) uint64 {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_NWRITE)
	if err != nil {
		return 0
	}
	return uint64(max(n, 0))
}

// newPair makes two ends that do not block and are closed by an exec.
func newPair() ([2]int, error) {
	// There is no SOCK_CLOEXEC: the lock keeps a fork from inheriting the pair between
	// its making and its marking.
	syscall.ForkLock.RLock()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fds[0])
		unix.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return fds, err
	}
	if err := errors.Join(unix.SetNonblock(fds[0], true), unix.SetNonblock(fds[1], true)); err != nil {
		unix.Close(fds[0])
		unix.Close(fds[1])
		return fds, err
	}
	return fds, nil
}
