package main

import (
	"runtime/debug"
	"time"
)

// Without work nothing is collected for two minutes, and what has been collected goes back
// to the system only as far as the next collection is not expected to need it: with the
// buffers that a node keeps and hardly touches that is some 30 MB, and hundreds after bulk.
// A node that has come to rest needs none of it, and its machine may be a small one. One
// that has heard of 80 peers had 41 to 65 MiB resident a minute later, and has 32 to 36.

const (
	// restLook is how often it is looked whether nothing happens. Between two looks a node
	// at rest that has one peer allocates up to 36 KiB.
	restLook = 10 * time.Second

	// restful is how much is allocated between two looks at most while nothing happens.
	restful = 1 << 20

	// worthwhile is how much has to have been allocated for a collection, which takes some
	// milliseconds: more than a node at rest allocates in the two minutes after which Go
	// collects by itself.
	worthwhile = 4 << 20
)

// rest tells when a process has come to rest, by what it has allocated since it began.
type rest struct {
	before    uint64 // at the last look
	givenBack uint64 // when memory was last given back
}

// begins reports whether it is time to give memory back, and takes it for done.
func (r *rest) begins(allocated uint64) bool {
	quiet := allocated-r.before <= restful
	r.before = allocated
	if !quiet || allocated-r.givenBack < worthwhile {
		return false
	}
	r.givenBack = allocated
	return true
}

// giveMemoryBack gives memory back to the system when nothing happens any more. It looks
// at these times, until the node closes.
func (n *node) giveMemoryBack(every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var r rest
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-ticker.C:
		}
		if r.begins(allocatedBytes()) {
			debug.FreeOSMemory()
		}
	}
}

// allocatedBytes is how much has been allocated since the process began.
func allocatedBytes() uint64 { return runtimeMetrics("/gc/heap/allocs:bytes")[0] }
