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

// linger keeps a finished connection known to flush until the peer has acknowledged its
// last byte. Its id is retired once it is known so.
func (n *node) linger(c *connection, retire func()) {
	defer retire()
	if c.unacknowledged() == 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lingering[c] = time.Now().Add(lingerLimit)
	registry.lingering.Add(1)
	if len(n.lingering) == 1 {
		go n.endLingering()
	}
}

// endLingering lets go of each that lingers, and ends with the last. It is one goroutine
// for all: every connection lingers for a round trip, and a timer for each would wake a
// thread for each.
func (n *node) endLingering() {
	for more := true; more; more = n.lookAtLingering() {
		select {
		case <-n.ctx.Done():
		case <-time.After(lastLook):
		}
	}
}

// lookAtLingering reports whether any is left.
func (n *node) lookAtLingering() bool {
	closing, now := n.ctx.Err() != nil, time.Now()
	n.mu.Lock()
	lingering := maps.Clone(n.lingering)
	n.mu.Unlock()
	maps.DeleteFunc(lingering, func(c *connection, limit time.Time) (stays bool) {
		if c.unacknowledged() == 0 {
			return false
		}
		late := closing || now.After(limit)
		if late {
			c.endpoint.abort()
		}
		return !late
	})
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range lingering {
		delete(n.lingering, c)
		registry.lingering.Add(-1)
	}
	return len(n.lingering) > 0
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
	for c := range n.lingering {
		found[c] = struct{}{}
	}
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
