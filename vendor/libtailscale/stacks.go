package main

import "sync"

// A goroutine begins with a stack of 2 KiB, which is copied to one twice as large, frame by
// frame, whenever it does not suffice. What a connection calls in the network stack takes
// more than 8 KiB, and its goroutines did so six times and more: 5 to 8 % of a short
// connection's processor time. The runtime begins goroutines with what their stacks hold on
// average, as of its last garbage collection. One that waits with much of a stack behind it
// raises that average as long as there are few, and by next to nothing when there are
// thousands, whose stacks are better small.

const (
	// deepFrame is what one call of waitDeep takes, in bytes; larger variables the compiler
	// does not leave on a stack.
	deepFrame = 126 << 10

	// deepFrames fill a stack of 1 MiB, of which only what is written to takes memory. New
	// goroutines begin with 16 KiB as long as there are at most 150, of which a node has 70
	// at rest; with 8 up to 400, with 4 up to 2,000, and then with 2 as ever.
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
