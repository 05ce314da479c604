package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// toss sends a datagram, or loses it: when there is no room, a stock peer's Write
// can wait for longer than there is none.
func toss(conn net.Conn, datagram []byte) {
	conn.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
	conn.Write(datagram)
}

func TestUnclaimedFlowsAndTheirDatagramsAreBounded(t *testing.T) {
	l := newFlows(t)
	before := registry.droppedDatagrams.Load()
	dropped := func() uint64 { return registry.droppedDatagrams.Load() - before }
	first := l.client(t)
	eventually(t, "further datagrams are dropped", func() bool {
		toss(first, nil) // which takes no byte of the stack's queue
		return dropped() > 2*keptUnclaimed
	})
	eventually(t, "so many flows wait", func() bool {
		toss(l.client(t), []byte("anyone?"))
		return count().connections == unclaimedFlows
	})
	before = registry.droppedDatagrams.Load()
	eventually(t, "further flows are dropped", func() bool {
		toss(l.client(t), []byte("anyone?"))
		return dropped() > unclaimedFlows/4
	})
	if got := count().connections; got != unclaimedFlows {
		t.Errorf("%d flows wait", got)
	}
	near := l.inbox.flow(t, "accepted").take(t)
	for range keptUnclaimed {
		if got, err := near.get(); err != nil || len(got) != 0 {
			t.Fatalf("%q, %v", got, err)
		}
	}
	near.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if got, err := near.get(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("one more: %q, %v", got, err)
	}
	near.f.abort()
	l.inbox.Close() // with the others unread
	l.gone(t)
}

func TestASlowCallerLosesWholeDatagrams(t *testing.T) {
	l := newFlows(t)
	far := l.client(t)
	far.Write([]byte{0})
	near := l.inbox.flow(t, "accepted").take(t)
	before := registry.droppedDatagrams.Load()
	sent := 0
	eventually(t, "datagrams are dropped", func() bool {
		for range 100 {
			sent++
			size := 2 + sent%1400
			datagram := bytes.Repeat([]byte{byte(sent)}, size)
			binary.BigEndian.PutUint16(datagram, uint16(size))
			toss(far, datagram)
		}
		return registry.droppedDatagrams.Load() > before
	})
	if _, err := near.get(); err != nil { // the first
		t.Fatal(err)
	}
	// What comes is whole, up to one that is sent when there is room again.
	near.SetDeadline(time.Now().Add(patience))
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
				toss(far, []byte("the last"))
			}
		}
	}()
	for whole := 0; ; whole++ {
		got, err := near.get()
		if err != nil {
			t.Fatal(err)
		}
		if string(got) == "the last" {
			t.Logf("%d of %d came", whole, sent)
			break
		}
		size := int(binary.BigEndian.Uint16(got))
		if size != len(got) || size > 3 && bytes.Count(got[2:], got[2:3]) != size-2 {
			t.Fatalf("%d bytes are no datagram that was sent", len(got))
		}
	}
}
