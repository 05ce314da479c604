package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A listener of the calls named tailscale_ is a mailbox too: its messages are the
// ids of connections, 8 bytes each, so that the descriptor is readable when a
// connection waits. An accept reads one id and claims it. While the socket's buffer
// is full of ids, tsnet refuses further connections.

// listener is what the descriptor of tailscale_listen stands for.
type listener struct {
	server  *server
	box     *mailbox
	fd      inode
	opening chan error // receives once: nil when it listens, or why it does not
	opened  bool       // that has been said

	mu      sync.Mutex
	remotes map[inode]netip.Addr // of accepted connections
	ended   []inode              // those that are over, the oldest first
}

// idSize is the length of an id on a listener's descriptor.
const idSize = 8

// rememberEnded is how many connections of a listener that are over still have an
// address: their descriptors may be open.
const rememberEnded = 1024

// listeners holds every listener that is not closed.
var listeners struct {
	mu    sync.Mutex
	known map[inode]*listener
}

// findListener returns the listener of a descriptor, or nil.
func findListener(fd int) *listener {
	key, err := inodeOf(fd)
	if err != nil {
		return nil
	}
	listeners.mu.Lock()
	defer listeners.mu.Unlock()
	return listeners.known[key]
}

// listen returns the descriptor of a new listener.
func (s *server) listen(network, address string) (int, error) {
	if network == "udp" {
		return -1, errNoDatagrams
	}
	n, err := s.start()
	if err != nil {
		return -1, err
	}
	fd, m, err := newMailbox(n.ctx)
	if err != nil {
		return -1, fmt.Errorf("listening on %s: %w", address, err)
	}
	l := &listener{server: s, box: m, opening: make(chan error, 1), remotes: make(map[inode]netip.Addr)}
	m.tell = l.tell
	if l.fd, err = handOver(fd); err != nil {
		m.close()
		return -1, err
	}
	listeners.mu.Lock()
	if listeners.known == nil {
		listeners.known = make(map[inode]*listener)
	}
	listeners.known[l.fd] = l
	listeners.mu.Unlock()

	n.runIn(m, func(ctx context.Context, m *mailbox) error {
		// Before the mailbox closes: who then sees its end finds no listener.
		defer l.forget()
		return n.listen(ctx, m, network, address)
	})
	if err := <-l.opening; err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func (l *listener) forget() {
	listeners.mu.Lock()
	defer listeners.mu.Unlock()
	delete(listeners.known, l.fd)
}

// tell takes the messages of the node's listen.
func (l *listener) tell(message any) error {
	switch m := message.(type) {
	case listeningMessage:
		l.opened = true
		l.opening <- nil
	case connectionMessage:
		return l.box.write(binary.BigEndian.AppendUint64(make([]byte, 0, idSize), m.ID))
	case errorMessage:
		err := &failure{m.Kind, m.Detail}
		if !l.opened {
			l.opening <- err
		} else if m.Kind != kindCanceled && m.Kind != kindClosed {
			l.server.fail(err)
		}
	}
	return nil
}

// errListenerOver says that a listener's node has been closed.
var errListenerOver = syscall.EBADF

// accept waits on the listener's descriptor, as accept(2) does, and returns the
// descriptor of the next connection.
func (l *listener) accept(fd int) (int, error) {
	for {
		// Made first: when the process has no room, the connection waits on.
		p, err := blockingPair()
		if err != nil {
			return -1, fmt.Errorf("accepting: %w", err)
		}
		id, err := readID(fd)
		if err != nil {
			p.close()
			return -1, err
		}
		c, ok := findConnection(id).(*connection)
		if !ok {
			p.close()
			continue // aborted meanwhile
		}
		l.remember(p.key, c.remote.Addr())
		c.gentle, c.atEnd = true, func() { l.over(p.key) }
		if err := c.claimThrough(p.ours); err != nil {
			p.close()
			l.over(p.key)
			continue
		}
		c.release()
		return p.theirs, nil
	}
}

// readID takes the next id from a listener's descriptor.
func readID(fd int) (uint64, error) {
	for {
		var id [idSize]byte
		n, err := unix.Read(fd, id[:])
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, fmt.Errorf("accepting: %w", err)
		case n != idSize:
			return 0, errListenerOver
		default:
			return binary.BigEndian.Uint64(id[:]), nil
		}
	}
}

func (l *listener) remember(conn inode, address netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remotes[conn] = address
}

// over forgets the address of a connection that has ended, but not at once.
func (l *listener) over(conn inode) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = append(l.ended, conn)
	if len(l.ended) > rememberEnded {
		delete(l.remotes, l.ended[0])
		l.ended = l.ended[1:]
	}
}

// remote returns the address that an accepted connection came from.
func (l *listener) remote(fd int) (netip.Addr, bool) {
	key, err := inodeOf(fd)
	if err != nil {
		return netip.Addr{}, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	address, ok := l.remotes[key]
	return address, ok
}
