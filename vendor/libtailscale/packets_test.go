package main

import (
	"runtime"
	"sync"
	"testing"
)

// underWay is how many packets have come and are not delivered.
//
//go:norace
func (p packetPool) underWay() int {
	p.lock.Lock()
	defer p.lock.Unlock()
	return int(*p.count) - countFrom
}

func TestPacketsUnderWayAreBounded(t *testing.T) {
	l := newLink(t, nodeConfig{})
	pool, err := incomingPackets(l.n.server)
	if err != nil {
		t.Fatal(err)
	}
	bound := int(mostPackets())
	if got := int(*pool.max) - countFrom; got != bound {
		t.Fatalf("the bound is %d, want %d", got, bound)
	}
	most, over := 0, make(chan struct{})
	var watching, moving sync.WaitGroup
	watching.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
				most = max(most, pool.underWay())
				runtime.Gosched()
			}
		}
	})
	for range 4 {
		near, far := l.connect(t, true)
		moving.Go(func() {
			exchange(t, near, far, 4<<20)
			near.leave()
		})
	}
	moving.Wait()
	close(over)
	watching.Wait()
	if most < 1 || most > bound {
		t.Errorf("%d packets were under way, the bound is %d", most, bound)
	}
	eventually(t, "all are delivered", func() bool { return pool.underWay() <= 0 })
}
