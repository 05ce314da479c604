package main

import (
	"errors"
	"testing"
	"time"

	"github.com/tailscale/wireguard-go/conn"
)

// deafBind sends nothing.
type deafBind struct{ conn.Bind }

func (deafBind) Send([][]byte, conn.Endpoint, int) error { return errors.New("nobody hears it") }

// fourUnderWay has given as many packets as may be under way.
func fourUnderWay(stillFor time.Duration) (*underWay, conn.Bind) {
	u := newUnderWay()
	u.most, u.stillFor, u.given = 4, stillFor, 4
	return u, countingBind{deafBind{}, u}
}

func TestRoomIsMadeByWhatIsSentEvenInVain(t *testing.T) {
	u, bind := fourUnderWay(patience)
	waited := make(chan struct{})
	go func() {
		defer close(waited)
		u.waitForRoom()
	}()
	eventually(t, "it waits for half of them", func() bool { return u.awaited.Load() == 2 })
	if err := bind.Send(make([][]byte, 1), nil, 0); err == nil {
		t.Error("an error was lost")
	}
	select {
	case <-waited:
		t.Fatal("three of four are under way, and it waits no more")
	case <-u.news:
		t.Fatal("it was woken for nothing")
	default:
	}
	bind.Send(make([][]byte, 1), nil, 0)
	<-waited
	if u.given != 4 || u.awaited.Load() != 0 {
		t.Errorf("%d were given, %d are awaited", u.given, u.awaited.Load())
	}
	u.waitForRoom() // there is room
}

func TestPacketsThatAreNeverSentHoldNothingUp(t *testing.T) {
	u, bind := fourUnderWay(time.Millisecond)
	bind.Send(make([][]byte, 1), nil, 0)
	u.given++
	u.waitForRoom()
	if u.given != 1 {
		t.Errorf("%d of 1 that was sent count as given", u.given)
	}
}

func TestWhatIsSentBesidesMakesNoRoom(t *testing.T) {
	u, bind := fourUnderWay(time.Millisecond)
	bind.Send(make([][]byte, 1000), nil, 0)
	u.waitForRoom()
	if u.given != 1000 {
		t.Errorf("of 1000 that are sent %d count as given", u.given)
	}
}

func TestEveryProcessorHasABatchUnderWay(t *testing.T) {
	u := newUnderWay()
	for processors, want := range map[int]int64{1: 256, 2: 256, 8: 1024, 1000: 4096} {
		if got := mostUnderWay(processors); got != want {
			t.Errorf("%d processors: %d, want %d", processors, got, want)
		}
	}
	if u.most < 2*batch {
		t.Errorf("a node has %d under way", u.most)
	}
}
