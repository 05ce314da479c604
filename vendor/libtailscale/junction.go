package main

import (
	"errors"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/waiter"
)

// A byte that goes to the caller and from there into a socket passes a thread that
// sleeps until it comes. Waking it costs more than all else that a small message does on
// its way, so a caller that only wants bytes to pass lends the socket: this half moves
// them, and a connection that is idle or in full flow costs the caller nothing.
//
// Only as long as bytes flow, and clean ends in both directions. The first thing that is
// something else ends it for both: an error, a receiver that stands still, an end that the
// other side does not answer with its own. The caller then takes the socket back, and the
// connection goes on through a socket pair, down to the last byte under way, as one that was
// claimed. What becomes of a connection that broke is the caller's alone to know.

// answerLimit is how long one side may go on after the other's end. Most connections are
// over by then; one that is not has a side that nobody reads any more, and the caller looks
// whether it is still there.
const answerLimit = time.Second

// junction moves bytes between a connection and a socket of the caller's.
type junction struct {
	c        *connection
	file     *os.File // the caller's socket
	socket   syscall.RawConn
	incoming flowing // from the tailnet to the socket
	outgoing flowing // from the socket to the tailnet

	parting sync.Once
	parted  chan struct{}

	mu          sync.Mutex
	writeFailed syscall.Errno // what who wrote the socket was told
	readFailed  syscall.Errno
	ended       cleanEnds
	patience    *time.Timer // for the other end, after the first one
}

// direction is one of a junction's, by its name in messages.
type direction string

const (
	fromTailnet direction = "incoming"
	toTailnet   direction = "outgoing"
)

// cleanEnds are the directions that have come to a clean end that was passed on, in the
// order of their ends.
type cleanEnds []direction

// areBoth reports whether the connection has come to its end.
func (e cleanEnds) areBoth() bool { return len(e) == 2 }

// flowing is one direction.
type flowing struct {
	moved atomic.Uint64
	total *uint64 // the caller's, who adds to it too
}

func (f *flowing) count(n int) {
	f.moved.Add(uint64(n))
	atomic.AddUint64(f.total, uint64(n))
}

// join has a held connection's bytes flow through a socket of the caller's, which it
// takes over unless there is an error. The caller's totals are added to.
func (c *connection) join(fd int, incoming, outgoing *uint64) error {
	if incoming == nil || outgoing == nil {
		return syscall.EINVAL
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return err
	}
	if flags&unix.O_NONBLOCK == 0 {
		return syscall.EINVAL
	}
	if !c.node.hearsOfPartings() {
		return syscall.ENOTCONN
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.taken || c.aborted || c.sock != nil || c.junction != nil {
		return syscall.EBADF
	}
	j := &junction{
		c: c, file: os.NewFile(uintptr(fd), "joined"), parted: make(chan struct{}),
		ended: cleanEnds{}, // in JSON not null
	}
	j.socket, _ = j.file.SyscallConn() // no error for a file that is open
	j.incoming.total, j.outgoing.total = incoming, outgoing
	c.junction = j
	go c.part(j)
	return nil
}

// passed is what a junction has moved.
type passed struct {
	incoming, outgoing uint64
	unacknowledged     uint64 // of incoming, by who reads from the socket
}

func (j *junction) passed() passed {
	return passed{j.incoming.moved.Load(), j.outgoing.moved.Load(), j.unsent()}
}

// unsent is what the socket has taken and its other end has not acknowledged.
func (j *junction) unsent() (bytes uint64) {
	j.socket.Control(func(fd uintptr) { bytes = unsent(int(fd)) })
	return bytes
}

// run moves bytes until something else happens.
func (j *junction) run() (left remains) {
	var other sync.WaitGroup
	other.Go(func() {
		defer j.partUnlessEnded(fromTailnet)
		j.c.guard(func() { left.incoming, left.incomingFailed = j.moveIncoming() })
	})
	func() {
		defer j.partUnlessEnded(toTailnet)
		j.c.guard(func() { left.outgoing, left.outgoingFailed = j.moveOutgoing() })
	}()
	other.Wait()
	if j.patience != nil {
		j.patience.Stop()
	}
	left.ended = j.ended
	return left
}

// partUnlessEnded parts for a direction that is done, but not by an end that it passed on.
func (j *junction) partUnlessEnded(done direction) {
	j.mu.Lock()
	ended := slices.Contains(j.ended, done)
	j.mu.Unlock()
	if !ended {
		j.part()
	}
}

// part ends both directions. It may be called more than once.
func (j *junction) part() {
	j.parting.Do(func() {
		close(j.parted)
		j.file.SetDeadline(time.Unix(1, 0))
	})
}

func (j *junction) isParted() bool {
	select {
	case <-j.parted:
		return true
	default:
		return false
	}
}

// moveIncoming returns what it took and could not pass on, or the stack's last word.
func (j *junction) moveIncoming() ([]byte, tcpip.Error) {
	ready, done := j.c.endpoint.notify(waiter.ReadableEvents)
	defer done()
	stall := stallWatch{j: j, left: j.unsent}
	defer stall.end()
	for !j.isParted() {
		buf := buffers.Get().(*[pumpBuffer]byte)
		n, err := j.c.endpoint.read(buf[:])
		if n > 0 {
			left := slices.Clone(j.send(buf[:n], &stall))
			buffers.Put(buf)
			if len(left) > 0 {
				return left, nil
			}
			continue
		}
		buffers.Put(buf)
		switch err.(type) {
		case nil:
		case *tcpip.ErrWouldBlock:
			select {
			case <-ready:
			case <-j.parted:
			}
		default:
			if j.c.endpoint.failed() {
				j.c.verdict(err) // told once too, and the other direction may ask
				return nil, err
			}
			if !j.passEnd(fromTailnet) {
				return nil, err
			}
			return nil, nil
		}
	}
	return nil, nil
}

// passEnd passes a clean end on, and gives the other direction some time for its own. It
// reports false when the end is the caller's to meet.
func (j *junction) passEnd(ended direction) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.writeFailed != 0 {
		return false // the kernel has told that it is none, and not to who reads
	}
	if in, out := j.c.ends(); in > stateClean || out > stateClean {
		return false // an abort leaves nothing to be read, which looks like an end
	}
	if ended == fromTailnet {
		var failed error
		j.socket.Control(func(fd uintptr) { failed = unix.Shutdown(int(fd), unix.SHUT_WR) })
		if failed != nil {
			return false
		}
		j.c.end(&j.c.incoming, stateClean)
	} else {
		if j.c.endpoint.closeWrite() != nil {
			return false
		}
		j.c.end(&j.c.outgoing, stateClean)
	}
	j.ended = append(j.ended, ended)
	if j.patience == nil {
		j.patience = time.AfterFunc(answerLimit, j.part)
	}
	return true
}

// send writes to the socket and returns what that did not take.
func (j *junction) send(buf []byte, stall *stallWatch) []byte {
	j.socket.Write(func(fd uintptr) bool {
		for len(buf) > 0 {
			n, err := j.write(int(fd), buf)
			switch err {
			case nil:
				stall.end()
				j.incoming.count(n)
				buf = buf[n:]
			case unix.EINTR:
			case unix.EAGAIN:
				stall.begin()
				return false
			default:
				return true
			}
		}
		return true
	})
	stall.end()
	return buf
}

// write keeps what the kernel tells, before anybody can read an end that is none.
func (j *junction) write(fd int, buf []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n, err := unix.Write(fd, buf)
	if err != nil && err != unix.EINTR && err != unix.EAGAIN {
		errors.As(err, &j.writeFailed)
	}
	return n, err
}

// moveOutgoing returns what it took and could not pass on, and the stack's last word.
func (j *junction) moveOutgoing() ([]byte, tcpip.Error) {
	stall := stallWatch{j: j, left: j.c.endpoint.queued}
	defer stall.end()
	for !j.isParted() {
		buf, n, err := j.c.take(j.socket)
		if err == io.EOF {
			j.passEnd(toTailnet)
			return nil, nil
		}
		if err != nil {
			errors.As(err, &j.readFailed)
			return nil, nil
		}
		left, failed := j.c.endpoint.write(buf[:n], &stall)
		if failed != nil {
			n -= len(left) // the rest is delivered, if not here
		}
		j.outgoing.count(n)
		left = slices.Clone(left)
		buffers.Put(buf)
		j.c.inHand.Store(int64(len(left)))
		if failed != nil {
			j.c.verdict(failed) // told once too, and the other direction may ask
		}
		if failed != nil || len(left) > 0 {
			return left, failed
		}
	}
	return nil, nil
}
