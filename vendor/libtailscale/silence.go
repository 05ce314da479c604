package main

import "time"

// Keepalive finds a vanished peer only on an idle connection: with bytes in
// flight the stack retransmits instead, and gives up after many minutes. This
// file holds such connections to the same bound. A peer that is alive and does
// not read still answers the stack's window probes, which come ever more seldom.

// probeGap is the longest time between two window probes.
const probeGap = maxRTO

// looksPerKeepalive is how often silence is looked for within a keepalive time.
const looksPerKeepalive = 4

// silence is what the watch remembers of a connection between two looks.
type silence struct {
	segments uint64    // received up to then
	since    time.Time // when that number was first seen with bytes in flight
}

// watchSilence ends connections whose peers owe an acknowledgement and have sent
// nothing for twice the keepalive time. It runs until the node closes.
func (n *node) watchSilence() {
	if n.keepalive <= 0 {
		return
	}
	ticker := time.NewTicker(n.keepalive / looksPerKeepalive)
	defer ticker.Stop()
	seen := make(map[*connection]silence)
	for {
		select {
		case <-n.ctx.Done():
			return
		case now := <-ticker.C:
			seen = n.lookForSilence(seen, now)
		}
	}
}

// lookForSilence returns what to remember until the next look.
func (n *node) lookForSilence(seen map[*connection]silence, now time.Time) map[*connection]silence {
	next := make(map[*connection]silence)
	for _, c := range n.pending() {
		if c.endpoint.unacknowledged() == 0 {
			continue
		}
		received := c.endpoint.segmentsReceived()
		last, known := seen[c]
		if !known || last.segments != received {
			last = silence{segments: received, since: now}
		}
		bound := 2 * n.keepalive
		if c.endpoint.windowClosed() {
			bound += 2 * probeGap
		}
		if now.Sub(last.since) < bound {
			next[c] = last
			continue
		}
		c.setFailure(stateTimedOut)
		c.endpoint.abort()
	}
	return next
}
