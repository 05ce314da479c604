package main

import (
	"net"
	"sync"
)

// backlogRoom is how many accepted connections wait for the caller: as many as Linux
// keeps at a listener (net.core.somaxconn, 4096 since 5.4).
const backlogRoom = 4096

// backlog has what a listener of tsnet has accepted and nobody has taken yet. tsnet keeps
// none of them itself, and drops a connection that is not accepted within a second: where
// thousands come at once and the caller takes longer for all of them, those that came last
// would be lost.
type backlog struct {
	mu      sync.Mutex
	changed sync.Cond // wakes the one side that waits for the other
	conns   []net.Conn
	end     error // of the listener, once it has ended
}

// acceptAhead accepts until the listener ends.
func acceptAhead(listener net.Listener) *backlog {
	b := &backlog{}
	b.changed.L = &b.mu
	go func() {
		for b.put(listener.Accept()) {
		}
	}()
	return b
}

// put waits while there is no room. It is false for the listener's end.
func (b *backlog) put(conn net.Conn, end error) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.changed.Signal()
	if end != nil {
		b.end = end
		return false
	}
	for len(b.conns) == backlogRoom {
		b.changed.Wait()
	}
	b.conns = append(b.conns, conn)
	return true
}

// take waits for a connection, in the order in which they came. The error is that of the
// listener's end, and comes after all that was accepted before.
func (b *backlog) take() (net.Conn, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.conns) == 0 {
		if b.end != nil {
			return nil, b.end
		}
		b.changed.Wait()
	}
	conn := b.conns[0]
	b.conns[0] = nil
	b.conns = b.conns[1:]
	b.changed.Signal()
	return conn, nil
}

// abort resets what nobody has taken. The listener is closed.
func (b *backlog) abort() {
	for conn, end := b.take(); end == nil; conn, end = b.take() {
		if ep, err := openEndpoint(conn); err == nil {
			ep.abort()
		} else {
			conn.Close()
		}
	}
}
