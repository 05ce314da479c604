package main

import (
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// socketPair makes a connected pair of stream sockets: a descriptor for the
// caller, non-blocking and close-on-exec, and this side's end in Go's poller.
func socketPair() (theirs int, ours *net.UnixConn, err error) {
	// macOS has no SOCK_CLOEXEC: the lock keeps a fork from inheriting the
	// pair between its making and its marking.
	syscall.ForkLock.RLock()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		syscall.ForkLock.RUnlock()
		return -1, nil, err
	}
	unix.CloseOnExec(fds[0])
	unix.CloseOnExec(fds[1])
	syscall.ForkLock.RUnlock()

	if err := unix.SetNonblock(fds[0], true); err != nil {
		unix.Close(fds[0])
		unix.Close(fds[1])
		return -1, nil, err
	}
	// FileConn duplicates the descriptor and registers the copy with the poller.
	file := os.NewFile(uintptr(fds[1]), "seam")
	conn, err := net.FileConn(file)
	file.Close()
	if err != nil {
		unix.Close(fds[0])
		return -1, nil, err
	}
	return fds[0], conn.(*net.UnixConn), nil
}

// hungUp reports whether the caller has closed its end of fd. It is only
// meaningful while this side has not shut down its own writing: with both
// directions shut the kernel reports a hang-up whether or not the caller closed.
func hungUp(fd uintptr) bool {
	polled := []unix.PollFd{{Fd: int32(fd)}}
	n, err := unix.Poll(polled, 0)
	return err == nil && n == 1 && polled[0].Revents&unix.POLLHUP != 0
}

// unread returns how many bytes the caller has written that were not read here.
func unread(conn *net.UnixConn) int {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0
	}
	n := 0
	raw.Control(func(fd uintptr) {
		if got, err := unix.IoctlGetInt(int(fd), fionread); err == nil {
			n = got
		}
	})
	return n
}
