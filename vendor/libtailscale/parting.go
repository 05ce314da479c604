package main

import (
	"context"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// The end of a junction is told in a mailbox that a node has for all of them, so that a
// connection has descriptors of its own only when its bytes need some: as long as it is
// joined the lent socket is the only one.

// leavings is what a junction leaves behind.
type leavings struct {
	remains
	lent *os.File // the caller's socket, until it takes it back
}

// hearOfPartings opens the mailbox; a newer one replaces the older one, which gets EOF.
func (n *node) hearOfPartings(hand hand) (int, error) {
	fd, m, err := newMailbox(n.ctx)
	if err != nil {
		return -1, err
	}
	m.hand = hand
	context.AfterFunc(m.ctx, m.close)
	if older := n.partings.Swap(m); older != nil {
		older.close()
	}
	return fd, nil
}

// hearsOfPartings reports whether somebody does.
func (n *node) hearsOfPartings() bool {
	m := n.partings.Load()
	return m != nil && m.ctx.Err() == nil
}

// part carries a connection through its junction, and tells the caller of its end.
func (c *connection) part(j *junction) {
	left := j.run()
	parted := partedMessage{
		Type: "parted", ID: c.id, Ended: left.ended,
		Reading: int(j.readFailed), Writing: int(j.writeFailed),
		Incoming: j.incoming.moved.Load(), Outgoing: j.outgoing.moved.Load(),
	}
	tell := func() error { return c.node.partings.Load().send(parted) }
	if left.ended.areBoth() {
		c.nobodyAsks()
		onDescriptor(j.file, func(fd int) error {
			return unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{})
		})
		j.file.Close()
		tell() // who does not hear of it has gone
		c.finish()
		return
	}
	if !c.leave(&leavings{left, j.file}) {
		j.file.Close() // aborted meanwhile
	} else if tell() != nil {
		c.abort()
	}
}

// leave keeps what a junction leaves; false once the connection was aborted.
func (c *connection) leave(left *leavings) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.aborted {
		return false
	}
	c.left = left
	return true
}

// takeBack returns the lent socket to the caller.
func (c *connection) takeBack() (fd int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left == nil || c.left.lent == nil {
		return -1, syscall.EBADF
	}
	err = onDescriptor(c.left.lent, func(lent int) (err error) {
		fd, err = unix.FcntlInt(uintptr(lent), unix.F_DUPFD_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return -1, err // still here: the caller may try again or abort the connection
	}
	c.left.lent.Close()
	c.left.lent = nil
	return fd, nil
}

// letGo closes the lent socket if the caller has not taken it back: a reset.
func (c *connection) letGo() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left != nil && c.left.lent != nil {
		c.left.lent.Close()
		c.left.lent = nil
	}
}
