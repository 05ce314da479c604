package main

import (
	"runtime"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"tailscale.com/envknob"
	"tailscale.com/health"
)

// The library hands packets for a peer to the system in batches, which the network card
// or its driver cuts into packets (UDP GSO). Some drop a batch without a word: then a
// connection moves by single packets, each after a timeout, at some kilobytes a second,
// while all that is small goes on well. Nothing tells of it but the number of timeouts, and
// who does not know the library's switch looks in vain. So the node says it.

const (
	// batchesSwitch is the library's own variable that does without batches.
	batchesSwitch = "TS_DEBUG_DISABLE_UDP_GSO"

	// batchesLook is how often the node looks at what it has sent.
	batchesLook = 10 * time.Second

	// fewestTimeouts and segmentsPerTimeout are what makes a way on which bulk stands
	// still: between two looks so many timeouts at least, and at most so many segments
	// sent for each. A way that loses batches has some 50 and a segment for every 4 to 5,
	// and so has one that loses 3 packets of 10, which is why the warning speaks of both;
	// a way that is well has none.
	fewestTimeouts     = 8
	segmentsPerTimeout = 8
)

var batchesLost = health.Register(&health.Warnable{
	Code:     "tailport-batches-lost",
	Title:    "Much of what is sent is lost",
	Severity: health.SeverityMedium,
	Text: func(health.Args) string {
		return "bulk hardly moves: much of what this node sends is lost; if all that is small goes on well, " +
			"perhaps the network card or its driver drops batches of packets: try " + batchesSwitch + "=true"
	},
})

// sent is what the network stack has counted of its TCP connections.
type sent struct {
	segments uint64 // sent, acknowledgements included
	answers  uint64 // received
	timeouts uint64 // of an acknowledgement
}

func sentBy(s *stack.Stack) sent {
	stats := s.Stats().TCP
	return sent{
		segments: stats.SegmentsSent.Value(),
		answers:  stats.ValidSegmentsReceived.Value(),
		timeouts: stats.Timeouts.Value(),
	}
}

func (s sent) since(before sent) sent {
	return sent{s.segments - before.segments, s.answers - before.answers, s.timeouts - before.timeouts}
}

// stalls reports whether timeouts are what moves it. Peers that have vanished let a
// connection time out too, but answer nothing.
func (s sent) stalls() bool {
	return s.timeouts >= fewestTimeouts && s.answers >= s.timeouts && s.segments <= segmentsPerTimeout*s.timeouts
}

// watchBatches tells the node's health of lost batches. It runs until the node closes.
func (n *node) watchBatches() {
	if runtime.GOOS != "linux" || envknob.Bool(batchesSwitch) || n.awaitStarted(n.ctx) != nil {
		return
	}
	s, tracker := stackOf(n.server), n.server.Sys().HealthTracker.Get()
	if s == nil {
		return
	}
	ticker := time.NewTicker(batchesLook)
	defer ticker.Stop()
	before, stalled := sentBy(s), false
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-ticker.C:
		}
		now := sentBy(s)
		between := now.since(before)
		before = now
		switch {
		case between.stalls():
			if stalled { // twice in a row is no passing trouble
				tracker.SetUnhealthy(batchesLost, nil)
			}
			stalled = true
		case between.segments > segmentsPerTimeout*fewestTimeouts:
			stalled = false
			tracker.SetHealthy(batchesLost)
		}
	}
}
