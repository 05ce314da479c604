package main

import (
	"context"
	"maps"
	"slices"
	"time"
)

// The stack has no event for an acknowledgement, so waiting for one looks at
// growing intervals: a loopback round trip first, a slow link's later.
const (
	firstLook = 2 * time.Millisecond
	lastLook  = 100 * time.Millisecond
)

// lingerLimit bounds how long a finished connection is kept for a peer that does
// not acknowledge. Past it the connection is reset.
const lingerLimit = 5 * time.Minute

// awaitAcknowledged looks until done reports true or the context ends.
func awaitAcknowledged(ctx context.Context, done func() bool) bool {
	for pause := firstLook; !done(); pause = min(2*pause, lastLook) {
		select {
		case <-ctx.Done():
			return done()
		case <-time.After(pause):
		}
	}
	return true
}

// linger keeps a finished connection known to flush until the peer has
// acknowledged its last byte. Its id is retired once it is known so.
func (n *node) linger(c *connection, retire func()) {
	acknowledged := func() bool { return c.unacknowledged() == 0 }
	if acknowledged() {
		retire()
		return
	}
	n.mu.Lock()
	n.lingering[c] = struct{}{}
	n.mu.Unlock()
	registry.lingering.Add(1)
	retire()
	defer func() {
		n.mu.Lock()
		delete(n.lingering, c)
		n.mu.Unlock()
		registry.lingering.Add(-1)
	}()
	ctx, cancel := context.WithTimeout(n.ctx, lingerLimit)
	defer cancel()
	if !awaitAcknowledged(ctx, acknowledged) {
		c.endpoint.abort()
	}
}

// pending lists the connections that may hold bytes the peers do not have yet: first those
// with an id, since one that ends meanwhile is among the lingering before it has none.
func (n *node) pending() []*connection {
	found := make(map[*connection]struct{})
	for _, c := range connectionsOf(n) {
		found[c] = struct{}{}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	maps.Copy(found, n.lingering)
	return slices.Collect(maps.Keys(found))
}

// flush waits until all that was written to the node's connections has been
// acknowledged, or the time is over, and returns what is left.
func (n *node) flush(ctx context.Context, limit time.Duration) flushedMessage {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	left := flushedMessage{Type: "flushed"}
	awaitAcknowledged(ctx, func() bool {
		left.Connections, left.Bytes = 0, 0
		for _, c := range n.pending() {
			if bytes := c.unacknowledged(); bytes > 0 {
				left.Connections++
				left.Bytes += bytes
			}
		}
		return left.Connections == 0
	})
	return left
}
