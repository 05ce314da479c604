package main

// #define TAILPORT_TYPES_ONLY
// #include "tailscale.h"
//
// static int take_by_hand(struct tailport_hand hand, const char *message, size_t length) {
// 	return hand.take(hand.key, message, length);
// }
import "C"

import (
	"runtime"
	"unsafe"
)

// hand gives a message to the caller in this thread, and reports whether it was taken.
// A message in a mailbox wakes a thread of the caller's, which costs more than what it
// then does; by hand it is done here.
type hand func(payload []byte) bool

// atHand has the messages that are being given now: two for every processor, and for two
// at least. Each holds a thread. While one waits for a lock of the caller's, Go's scheduler
// begins another thread, which takes the next message: when thousands of connections ended
// on a busy machine, where whoever has the lock may not get a processor, that made dozens
// of threads, and threads stay. What is over the bound waits here, where it holds none.
var atHand = make(chan struct{}, 2*max(runtime.GOMAXPROCS(0), 2))

// bounded is a hand that gives each message in its turn. The caller's locks must not be
// held, nor any that what it calls may take.
func bounded(give hand) hand {
	return func(payload []byte) bool {
		atHand <- struct{}{}
		defer func() { <-atHand }()
		return give(payload)
	}
}

// handOf is a hand of the caller's, or nil.
func handOf(held *C.struct_tailport_hand) hand {
	if held == nil || held.take == nil {
		return nil
	}
	kept := *held
	return bounded(func(payload []byte) bool {
		message := (*C.char)(unsafe.Pointer(unsafe.SliceData(payload)))
		return C.take_by_hand(kept, message, C.size_t(len(payload))) == 0
	})
}
