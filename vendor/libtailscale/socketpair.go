package main

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// pairEnd is this side's end of a socket pair, in Go's poller. The net package would ask
// the kernel half a dozen things about it, for every connection.
type pairEnd struct{ *os.File }

// socketPair makes a connected pair of stream sockets: a descriptor for the
// caller, non-blocking and close-on-exec, and this side's end.
func socketPair() (theirs int, ours *pairEnd, err error) {
	fds, err := newPair()
	if err != nil {
		return -1, nil, err
	}
	return fds[0], &pairEnd{os.NewFile(uintptr(fds[1]), "seam")}, nil
}

// throughPair makes a socket pair, whose other end is the caller's, and has this side's
// used. On an error both are closed.
func throughPair(use func(ours *pairEnd) error) (int, error) {
	theirs, ours, err := socketPair()
	if err != nil {
		return -1, err
	}
	if err := use(ours); err != nil {
		ours.Close()
		unix.Close(theirs)
		return -1, err
	}
	return theirs, nil
}

// CloseWrite ends what this side sends.
func (e *pairEnd) CloseWrite() error { return e.shutdown(unix.SHUT_WR) }

// CloseRead has the caller's next write fail.
func (e *pairEnd) CloseRead() error { return e.shutdown(unix.SHUT_RD) }

func (e *pairEnd) shutdown(how int) error {
	return onDescriptor(e.File, func(fd int) error { return unix.Shutdown(fd, how) })
}

// onDescriptor does something that does not wait.
func onDescriptor(file *os.File, do func(fd int) error) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = do(int(fd)) })
	return errors.Join(err, failed)
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
func unread(end *pairEnd) int {
	n := 0
	onDescriptor(end.File, func(fd int) (err error) {
		n, err = unix.IoctlGetInt(fd, fionread)
		return err
	})
	return n
}
