package main

import (
	"sync"
	"time"
)

// standstill is how long a receiver that has no room may take nothing. A loss of packets is
// mended in less, mostly; and a caller has to look after a receiver that stops for longer,
// since nobody reads the sender meanwhile, who may have gone.
const standstill = 2 * time.Second

// stallWatch ends a junction when a receiver that has no room takes nothing for too long.
type stallWatch struct {
	j    *junction
	left func() uint64 // what it has still to take

	mu      sync.Mutex
	timer   *time.Timer
	waiting bool
	seen    uint64
}

func (w *stallWatch) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting {
		return
	}
	w.waiting, w.seen = true, w.left()
	if w.timer == nil {
		w.timer = time.AfterFunc(standstill, w.look)
	} else {
		w.timer.Reset(standstill)
	}
}

func (w *stallWatch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting {
		w.timer.Stop()
		w.waiting = false
	}
}

func (w *stallWatch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.waiting {
		return
	}
	left := w.left()
	if left >= w.seen {
		w.j.part()
		return
	}
	w.seen = left
	w.timer.Reset(standstill)
}

// wait waits for room, and reports whether there may be some. A nil watch has no end.
func (w *stallWatch) wait(room <-chan struct{}) bool {
	if w == nil {
		<-room
		return true
	}
	w.begin()
	defer w.end()
	select {
	case <-room:
		return true
	case <-w.j.parted:
		return false
	}
}
