package main

import (
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// endState is enum tailport_end_state of tailscale.h.
type endState int32

const (
	stateOpen endState = iota
	stateClean
	stateReset
	stateTimedOut
)

// connection is a TCP connection over the tailnet, from its announcement until
// the caller has released or aborted it and both directions are done.
type connection struct {
	identity
	node     *node
	box      *mailbox // where it was announced
	endpoint *endpoint
	settled  chan struct{} // closed once claimed or aborted

	// Set before the claim by who has it claimed. gentle: the caller's close delivers
	// what was written, as close(2) does, in place of a reset.
	gentle bool
	atEnd  func() // called once both directions are done, unless nil

	inHand atomic.Int64 // bytes taken from sock and not yet queued at endpoint

	failure     sync.Once
	failureKind endState      // how the stack said the connection failed
	failureSet  chan struct{} // closed once failureKind is known

	mu                 sync.Mutex
	taken              bool      // by the caller
	sock               *pairEnd  // this side's end, once bytes flow through a socket pair
	junction           *junction // what they went through before, or go through, or nil
	left               *leavings // of the junction, once it is over
	aborted            bool
	released           bool
	incoming, outgoing endState
}

// newConnection takes over a connection that tsnet made, and gives it an id.
func newConnection(n *node, box *mailbox, conn net.Conn) (*connection, error) {
	ep, err := openEndpoint(conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	ep.setKeepalive(n.keepalive)
	c := &connection{
		node: n, box: box, endpoint: ep,
		settled: make(chan struct{}), failureSet: make(chan struct{}),
	}
	c.remote, c.local = ep.addresses()
	addConnection(c)
	return c, nil
}

// claim takes it and makes the socket pair that its bytes flow through. Without one it is
// still announced: the caller may try again or abort it.
func (c *connection) claim() (int, error) { return throughPair(c.claimThrough) }

// claimThrough is claim with this side's end of a pair, which it takes unless it fails.
func (c *connection) claimThrough(sock *pairEnd) error {
	if err := c.hold(); err != nil {
		return err
	}
	return c.flowThrough(sock)
}

// hold takes it. Nothing flows until flow or join.
func (c *connection) hold() error {
	announced := c.box.forget(c.id)
	c.mu.Lock()
	taken := announced && !c.aborted
	c.taken = c.taken || taken
	c.mu.Unlock()
	if !taken {
		return syscall.EBADF
	}
	close(c.settled)
	return nil
}

// flow makes the socket pair that a held connection's bytes flow through from now on.
func (c *connection) flow() (int, error) { return throughPair(c.flowThrough) }

// flowThrough is flow with this side's end of a pair, which it takes unless it fails.
func (c *connection) flowThrough(sock *pairEnd) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.taken || c.aborted || c.sock != nil || c.junction != nil && c.left == nil {
		return syscall.EBADF
	}
	c.sock = sock
	var left remains
	if c.left != nil {
		left = c.left.remains
	}
	go c.run(left)
	return nil
}

// run carries a connection to the end of both directions.
func (c *connection) run(left remains) {
	var incoming sync.WaitGroup
	incoming.Go(func() { c.guard(func() { c.pumpIncoming(left) }) })
	c.guard(func() { c.pumpOutgoing(left) })
	incoming.Wait()
	if c.atEnd != nil {
		c.atEnd()
	}
	c.finish()
}

// guard keeps a fault in one direction from ending the process: the connection
// is reset instead.
func (c *connection) guard(direction func()) {
	if guarded(func() error { direction(); return nil }) != nil {
		c.abort()
	}
}

// abort resets the connection and retires its id. It may be called more than
// once, and by both sides at a time.
func (c *connection) abort() { c.stop(stateReset) }

// stop ends what is open of both directions with a state and resets the peer.
func (c *connection) stop(end endState) {
	c.mu.Lock()
	if c.aborted {
		c.mu.Unlock()
		return
	}
	c.aborted = true
	c.endLocked(&c.incoming, end)
	c.endLocked(&c.outgoing, end)
	taken, sock, junction := c.taken, c.sock, c.junction
	c.mu.Unlock()

	takeConnection(c.id)
	if junction != nil {
		junction.part()
		c.letGo()
	}
	c.endpoint.abort()
	if !taken {
		c.box.forget(c.id)
		close(c.settled)
	} else if sock != nil {
		sock.Close()
	}
}

// nobodyAsks says that the caller will not ask again, and reports whether both directions
// are done. The id is retired when they are.
func (c *connection) nobodyAsks() (over bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.released = true
	return c.incoming != stateOpen && c.outgoing != stateOpen
}

// release is nobodyAsks for a caller.
func (c *connection) release() {
	if c.nobodyAsks() {
		takeConnection(c.id)
	}
}

// endLocked records how a direction ended; the first word counts.
func (c *connection) endLocked(direction *endState, end endState) {
	if *direction == stateOpen {
		*direction = end
	}
}

func (c *connection) end(direction *endState, end endState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endLocked(direction, end)
}

func (c *connection) ends() (incoming, outgoing endState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.incoming, c.outgoing
}

// joined is what a junction has moved, if there was one.
func (c *connection) joined() (passed passed) {
	c.mu.Lock()
	j := c.junction
	c.mu.Unlock()
	if j != nil {
		passed = j.passed()
	}
	return passed
}

// unacknowledged counts what the caller wrote and the peer has not acknowledged.
// Bytes move from the socket through inHand to the endpoint; looking in that
// order counts a moving byte twice rather than never.
func (c *connection) unacknowledged() uint64 {
	c.mu.Lock()
	sock, outgoing := c.sock, c.outgoing
	c.mu.Unlock()
	if outgoing == stateReset || outgoing == stateTimedOut {
		return 0
	}
	var before uint64
	if outgoing == stateOpen {
		if sock != nil {
			before = uint64(unread(sock))
		}
		before += uint64(c.inHand.Load())
	}
	return before + c.endpoint.unacknowledged()
}

// failureWait bounds how long one direction waits for the other to say what the
// stack told it. The other has the answer in hand already.
const failureWait = time.Second

// verdict turns an error of the stack into how a direction ended. The stack
// tells the reason of a failure to the first who asks; the other direction sees
// a plain end, and learns the reason here.
func (c *connection) verdict(err tcpip.Error) endState {
	switch err.(type) {
	case *tcpip.ErrClosedForReceive, *tcpip.ErrClosedForSend, *tcpip.ErrNotConnected, *tcpip.ErrInvalidEndpointState:
		if !c.endpoint.failed() {
			return stateClean
		}
		select {
		case <-c.failureSet:
			return c.failureKind
		case <-time.After(failureWait):
			return stateReset
		}
	case *tcpip.ErrTimeout, *tcpip.ErrHostUnreachable, *tcpip.ErrNetworkUnreachable:
		return c.setFailure(stateTimedOut)
	default:
		return c.setFailure(stateReset)
	}
}

func (c *connection) setFailure(end endState) endState {
	c.failure.Do(func() {
		c.failureKind = end
		close(c.failureSet)
	})
	return c.failureKind
}

// finish runs when both directions are done: this side's descriptors are closed,
// and the endpoint is kept only until the peer has acknowledged.
func (c *connection) finish() {
	c.mu.Lock()
	sock, released, aborted := c.sock, c.released, c.aborted
	c.mu.Unlock()
	if aborted {
		return
	}
	if sock != nil {
		drain(sock)
		sock.Close()
	}
	c.letGo()
	c.endpoint.close()
	c.node.linger(c, func() {
		if released {
			takeConnection(c.id)
		}
	})
}
