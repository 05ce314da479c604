package main

import (
	"runtime/debug"
	"sync"
	"time"
)

// A node's start makes some 30 MB within a few milliseconds, nearly all of it buffers that
// stay and are not written to yet. The collector would run four times meanwhile, each time
// over all there is, and find next to nothing: a tenth of the time until a node runs, and a
// quarter of the processor time until then.

// collectorRest is how long the collector rests at most for a start. What makes the heap
// comes at its beginning, whatever a control server or a person take after that.
const collectorRest = time.Second

var collector struct {
	mu      sync.Mutex
	resting int // for how many starts
	percent int // what it goes by otherwise, while it rests
}

// restCollector has the garbage collector rest, below the memory limit if there is one,
// until what it returns is called or collectorRest is over.
func restCollector() func() {
	collector.mu.Lock()
	defer collector.mu.Unlock()
	if collector.resting == 0 {
		collector.percent = debug.SetGCPercent(-1)
	}
	collector.resting++
	once := sync.OnceFunc(wakeCollector)
	overdue := time.AfterFunc(collectorRest, once)
	return func() {
		overdue.Stop()
		once()
	}
}

func wakeCollector() {
	collector.mu.Lock()
	defer collector.mu.Unlock()
	if collector.resting--; collector.resting == 0 {
		debug.SetGCPercent(collector.percent)
	}
}
