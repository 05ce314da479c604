package main

import (
	"errors"

	"golang.org/x/sys/unix"
)

// inode names a socket for as long as it lives. The number of a descriptor does
// not: after a close it is somebody else's.
type inode struct{ device, number uint64 }

func inodeOf(fd int) (inode, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return inode{}, err
	}
	return inode{uint64(stat.Dev), stat.Ino}, nil
}

// handOver makes a descriptor of the seam one of the calls named tailscale_:
// blocking, and known by its socket. One for which that fails is closed.
func handOver(fd int) (inode, error) {
	key, err := inodeOf(fd)
	if err = errors.Join(err, unix.SetNonblock(fd, false)); err != nil {
		unix.Close(fd)
		return inode{}, err
	}
	return key, nil
}

// pair is a socket pair for a connection that is still to come. The flag for
// waiting belongs to an end: this half's stays in Go's poller.
type pair struct {
	theirs int
	ours   *pairEnd
	key    inode // of theirs
}

func blockingPair() (pair, error) {
	theirs, ours, err := socketPair()
	if err != nil {
		return pair{}, err
	}
	key, err := handOver(theirs)
	if err != nil {
		ours.Close()
		return pair{}, err
	}
	return pair{theirs, ours, key}, nil
}

func (p pair) close() {
	unix.Close(p.theirs)
	p.ours.Close()
}
