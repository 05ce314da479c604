package main

import "sync"

// A goroutine begins with a stack of 2 KiB, which is copied to one twice as large, frame by
// frame, whenever it does not suffice. What a connection calls in the network stack takes
// more than 8 KiB, and each of its three goroutines did so up to three times: a twentieth of
// the processor time of a short connection. The runtime begins goroutines with what their
// stacks hold on average, as of its last garbage collection. One that waits with much of a
// stack behind it raises that average as long as there are few, and by next to nothing when
// there are thousands, whose stacks are better small.

const (
	// deepFrame is what one call of waitDeep takes, in bytes; larger variables the compiler
	// does not leave on a stack.
	deepFrame = 126 << 10

	// deepFrames fill a stack of 1 MiB, of which only what is written to takes memory. A
	// node has 70 to 140 goroutines as long as it has few connections: new ones begin with
	// 16 KiB then, with 8 up to 320, with 2 from 1,000.
	deepFrames = 8
)

// deepenStacks has goroutines begin with a larger stack from the next collection on. Those
// that a node begins at its start are there by then, and wait with next to nothing.
var deepenStacks = sync.OnceFunc(func() { go waitDeep(deepFrames, -1) })

// waitDeep waits for ever behind a number of frames.
//
//go:noinline
func waitDeep(frames, at int) byte {
	if at >= 0 {
		var room [deepFrame]byte // is part of the frame in any case
		return room[at]
	}
	if frames > 1 {
		return waitDeep(frames-1, at)
	}
	select {}
}
