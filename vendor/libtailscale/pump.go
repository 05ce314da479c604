package main

import (
	"errors"
	"io"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/waiter"
)

// pumpBuffer is how much one read moves. A buffer is only held while bytes are
// moving, so that an idle connection costs none.
const pumpBuffer = 64 << 10

var buffers = sync.Pool{New: func() any { return new([pumpBuffer]byte) }}

// remains is what a junction leaves to the pumps: bytes under way, and an error that
// the stack has told and will not tell again.
type remains struct {
	incoming, outgoing             []byte
	incomingFailed, outgoingFailed tcpip.Error
	ended                          cleanEnds
}

// pumpIncoming moves bytes from the tailnet to the caller until the peer's end.
// How it ended is recorded before the caller can see EOF.
func (c *connection) pumpIncoming(left remains) {
	if slices.Contains(left.ended, fromTailnet) {
		c.sock.CloseWrite()
		return
	}
	if len(left.incoming) > 0 {
		if _, err := c.sock.Write(left.incoming); err != nil {
			c.callerGone()
			return
		}
	}
	if left.incomingFailed != nil {
		c.peerEnded(left.incomingFailed)
		return
	}
	ready, done := c.endpoint.notify(waiter.ReadableEvents)
	defer done()
	for {
		buf := buffers.Get().(*[pumpBuffer]byte)
		n, err := c.endpoint.read(buf[:])
		if n > 0 {
			_, writeErr := c.sock.Write(buf[:n])
			buffers.Put(buf)
			if writeErr != nil {
				// The caller has closed its end with bytes still coming.
				c.callerGone()
				return
			}
			continue
		}
		buffers.Put(buf)
		switch err.(type) {
		case nil:
		case *tcpip.ErrWouldBlock:
			<-ready
		default:
			c.peerEnded(err)
			return
		}
	}
}

// peerEnded passes the end of what the peer sends on to the caller.
func (c *connection) peerEnded(err tcpip.Error) {
	c.end(&c.incoming, c.verdict(err))
	c.sock.CloseWrite()
	if _, outgoing := c.ends(); outgoing != stateOpen {
		c.sock.SetReadDeadline(time.Unix(1, 0)) // wakes awaitHangUp
	}
}

// pumpOutgoing moves bytes from the caller to the tailnet until the caller's
// shutdown or a failed write, then waits for the caller's close as long as the
// other direction goes on.
func (c *connection) pumpOutgoing(left remains) {
	raw, err := c.sock.SyscallConn()
	if err != nil {
		c.abort()
		return
	}
	if slices.Contains(left.ended, toTailnet) {
		c.awaitHangUp(raw)
		return
	}
	failed := left.outgoingFailed
	if failed == nil && len(left.outgoing) > 0 {
		_, failed = c.endpoint.write(left.outgoing, nil)
	}
	c.inHand.Store(0)
	if failed != nil {
		c.peerRefused(raw, failed)
		return
	}
	for {
		buf, n, err := c.take(raw)
		if err != nil {
			c.callerEnded(raw, err)
			return
		}
		_, failed := c.endpoint.write(buf[:n], nil)
		buffers.Put(buf)
		c.inHand.Store(0)
		if failed != nil {
			c.peerRefused(raw, failed)
			return
		}
	}
}

// peerRefused passes on that the peer takes nothing more.
func (c *connection) peerRefused(raw syscall.RawConn, err tcpip.Error) {
	end := c.verdict(err)
	if end == stateClean {
		end = stateReset // no write fails after a clean end
	}
	c.end(&c.outgoing, end)
	c.sock.CloseRead() // the caller's next write fails with EPIPE
	c.awaitHangUp(raw)
}

// take waits for bytes from the caller. inHand is set before they leave the
// socket, so that unacknowledged never misses them.
func (c *connection) take(raw syscall.RawConn) (buf *[pumpBuffer]byte, n int, err error) {
	buf = buffers.Get().(*[pumpBuffer]byte)
	waitErr := raw.Read(func(fd uintptr) bool {
		if buf == nil {
			buf = buffers.Get().(*[pumpBuffer]byte)
		}
		c.inHand.Store(pumpBuffer)
		for {
			n, err = unix.Read(int(fd), buf[:])
			if err != unix.EINTR {
				break
			}
		}
		if err == unix.EAGAIN {
			c.inHand.Store(0)
			buffers.Put(buf)
			buf = nil
			return false
		}
		c.inHand.Store(int64(max(n, 0)))
		return true
	})
	if waitErr != nil {
		err = waitErr
	} else if err == nil && n == 0 {
		err = io.EOF
	}
	if err != nil && buf != nil {
		buffers.Put(buf)
		buf = nil
	}
	return buf, n, err
}

// callerEnded passes the caller's shutdown on to the peer. A caller that closed
// its end while the peer is still sending has gone away, which is a reset.
func (c *connection) callerEnded(raw syscall.RawConn, err error) {
	incoming, _ := c.ends()
	gone := !errors.Is(err, io.EOF)
	if !gone && incoming == stateOpen {
		raw.Control(func(fd uintptr) { gone = hungUp(fd) })
		// This side may have shut down its own end meanwhile: then a hang-up
		// says nothing.
		if incoming, _ = c.ends(); incoming != stateOpen {
			gone = false
		}
	}
	if gone && !c.gentle {
		c.abort()
		return
	}
	if failed := c.endpoint.closeWrite(); failed != nil && c.endpoint.failed() {
		c.end(&c.outgoing, c.verdict(failed))
	} else {
		c.end(&c.outgoing, stateClean)
	}
	if gone {
		c.callerGone()
		return
	}
	c.awaitHangUp(raw)
}

// callerGone ends the incoming direction, which nobody reads any more: by a reset of
// the connection, or gently, so that the outgoing one still ends by itself.
func (c *connection) callerGone() {
	if !c.gentle {
		c.abort()
		return
	}
	c.end(&c.incoming, stateClean)
	c.endpoint.closeRead()
}

// awaitHangUp waits until the other direction is done, and aborts the connection
// when the caller closes its end before. After the caller's shutdown a close
// shows only as a hang-up, which the poller reports like readable bytes.
func (c *connection) awaitHangUp(raw syscall.RawConn) {
	gone := false
	raw.Read(func(fd uintptr) bool {
		if incoming, _ := c.ends(); incoming != stateOpen {
			return true
		}
		gone = hungUp(fd)
		if incoming, _ := c.ends(); incoming != stateOpen {
			gone = false
		}
		return gone
	})
	if gone {
		c.callerGone()
	}
}

// drain takes what the caller wrote and nobody will deliver: closing a socket
// with unread bytes would show the caller a reset in place of its EOF.
func drain(sock *pairEnd) {
	raw, err := sock.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) {
		var scrap [4096]byte
		for {
			if n, err := unix.Read(int(fd), scrap[:]); n <= 0 && err != unix.EINTR {
				return
			}
		}
	})
}
