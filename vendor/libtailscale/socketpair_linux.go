package main

import "golang.org/x/sys/unix"

// fionread asks a socket for the number of bytes waiting to be read.
const fionread = unix.SIOCINQ

// unsent is how many bytes written to a socket its other end has not acknowledged.
func unsent(fd int) uint64 {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return uint64(max(n, 0))
}

// newPair makes two ends that do not block and are closed by an exec.
func newPair() ([2]int, error) {
	return unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
}
