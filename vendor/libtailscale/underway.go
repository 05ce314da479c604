package main

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/tailscale/wireguard-go/conn"
)

// What goes out waits for its turn in the stack's memory, as long as the segments of a
// connection are one packet there. Once they are given to WireGuard each of them takes a
// buffer of 64 KiB until it is sent, and there is room for a thousand packets' segments:
// gigabytes that the garbage collector counts, so that under a memory limit it does not
// stop collecting any more. So no more are given than keep the processors busy. See
// packets.go for what comes in.
//
// Measured on 2 processors, 8 streams to the client: without a bound 8.2 CPU seconds per
// GiB, with 1,280 packets 3.2, with 640 2.8, with 320 2.4, with 128 to 480 2.1 to 2.6; the
// library's own way 4.5, which has no bound but is so slow that little comes together.

// stillFor is how long nothing was sent when what is under way counts as lost. WireGuard
// drops what is for a peer that went away, and keeps what is for one that does not answer.
const stillFor = 10 * time.Millisecond

// underWay are the packets that WireGuard was given and that are not sent yet.
type underWay struct {
	most     int64
	stillFor time.Duration
	given    int64 // the reader's alone

	sent    atomic.Int64
	awaited atomic.Int64 // how many must be sent before the reader goes on; 0: it does
	news    chan struct{}
	still   *time.Timer
}

func newUnderWay() *underWay {
	u := &underWay{most: mostUnderWay(runtime.GOMAXPROCS(0)), stillFor: stillFor, news: make(chan struct{}, 1)}
	u.still = time.NewTimer(stillFor)
	u.still.Stop()
	return u
}

// mostUnderWay is a batch for every processor, and for two at least: one is encrypted
// while another is sent.
func mostUnderWay(processors int) int64 {
	return batch * int64(min(max(processors, 2), mostBatches))
}

// waitForRoom returns when few enough packets are under way, which is half of the most
// once it has waited, or when nothing is sent any more.
func (u *underWay) waitForRoom() {
	u.given = max(u.given, u.sent.Load()) // handshakes are sent and were not given
	if u.given-u.sent.Load() < u.most {
		return
	}
	enough := u.given - u.most/2
	u.awaited.Store(enough)
	defer u.awaited.Store(0)
	for sent := u.sent.Load(); sent < enough; {
		u.still.Reset(u.stillFor)
		select {
		case <-u.news:
			sent = u.sent.Load()
		case <-u.still.C:
			before := sent
			if sent = u.sent.Load(); sent == before {
				u.given = sent
				return
			}
		}
	}
}

// countingBind counts what WireGuard sends.
type countingBind struct {
	conn.Bind
	underWay *underWay
}

// Send sends packets to a peer. Those that fail are not under way any more either.
func (b countingBind) Send(packets [][]byte, to conn.Endpoint, offset int) error {
	err := b.Bind.Send(packets, to, offset)
	u := b.underWay
	sent := u.sent.Add(int64(len(packets)))
	if awaited := u.awaited.Load(); awaited != 0 && sent >= awaited {
		select {
		case u.news <- struct{}{}:
		default:
		}
	}
	return err
}
