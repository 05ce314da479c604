package main

import (
	"context"
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A descriptor of the caller's that log lines are written to may be a terminal, a
// file or a pipe that nobody reads. It stays as the caller has it, blocking or
// not, so it is asked for room before every write.

const (
	// logPiece is what a pipe that has room takes without blocking (PIPE_BUF).
	logPiece = 512

	// logRoomPause is the time between two questions for room.
	logRoomPause = 20 * time.Millisecond
)

// duplicate makes a descriptor of this half's own for one of the caller's.
func duplicate(fd int) (int, error) {
	if fd < 0 {
		return -1, syscall.EBADF
	}
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	return own, nil
}

// copyLog writes lines to fd, which it takes over, until the context ends. What is
// returned takes a line and never waits: beyond logBacklog lines are dropped, and
// counted with those of the log mailbox.
func copyLog(ctx context.Context, fd int) func(line string) {
	lines := make(chan string, logBacklog)
	go func() {
		defer unix.Close(fd)
		for {
			select {
			case line := <-lines:
				if !writeLine(ctx, fd, line) {
					return
				}
			case <-ctx.Done():
				for len(lines) > 0 && writeLine(ctx, fd, <-lines) {
				}
				return
			}
		}
	}()
	return func(line string) {
		select {
		case lines <- line:
		default:
			logs.dropped.Add(1)
		}
	}
}

// writeLine reports false when nothing more can be written. Once the context has
// ended a reader that is not there is not waited for.
func writeLine(ctx context.Context, fd int, line string) bool {
	rest := []byte(line + "\n")
	for len(rest) > 0 {
		room := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		n, err := unix.Poll(room, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return false
		}
		if n == 0 {
			if ctx.Err() != nil {
				return false
			}
			time.Sleep(logRoomPause)
			continue
		}
		n, err = unix.Write(fd, rest[:min(len(rest), logPiece)])
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
		case err != nil:
			return false
		default:
			rest = rest[n:]
		}
	}
	return true
}
