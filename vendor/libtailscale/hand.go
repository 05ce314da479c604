package main

// #define TAILPORT_TYPES_ONLY
// #include "tailscale.h"
//
// static int take_by_hand(struct tailport_hand hand, const char *message, size_t length) {
// 	return hand.take(hand.key, message, length);
// }
import "C"

import "unsafe"

// hand gives a message to the caller in this thread, and reports whether it was taken.
// A message in a mailbox wakes a thread of the caller's, which costs more than what it
// then does; by hand it is done here.
type hand func(payload []byte) bool

// handOf is a hand of the caller's, or nil.
func handOf(held *C.struct_tailport_hand) hand {
	if held == nil || held.take == nil {
		return nil
	}
	kept := *held
	return func(payload []byte) bool {
		message := (*C.char)(unsafe.Pointer(unsafe.SliceData(payload)))
		return C.take_by_hand(kept, message, C.size_t(len(payload))) == 0
	}
}
