package main

import (
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestADialToABlackHoleEndsAtItsTimeout(t *testing.T) {
	tn := newTailnet(t)
	tn.control.AddFakeNode()
	hole := tn.control.AllNodes()[0].Addresses[0].Addr().String()
	n := tn.node(t, nodeConfig{})
	began := time.Now()
	box := n.openDial(t, net.JoinHostPort(hole, "80"), 300*time.Millisecond)
	box.failure(t, kindTimedOut)
	if took := time.Since(began); took < 300*time.Millisecond || took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestADialToABlackHoleEndsWhenItsMailboxCloses(t *testing.T) {
	tn := newTailnet(t)
	tn.control.AddFakeNode()
	hole := tn.control.AllNodes()[0].Addresses[0].Addr().String()
	n := tn.node(t, nodeConfig{})
	before := runtime.NumGoroutine()
	box := n.openDial(t, net.JoinHostPort(hole, "80"), time.Hour)
	eventually(t, "the dial is under way", func() bool { return runtime.NumGoroutine() > before })
	box.Close()
	eventually(t, "no mailbox is left", func() bool { return count().mailboxes == 0 })
	eventually(t, "no dial is left", func() bool { return !stackHas("(*node).dial(") })
}

// stackHas reports whether any goroutine runs a function.
func stackHas(function string) bool {
	buf := make([]byte, 4<<20)
	return strings.Contains(string(buf[:runtime.Stack(buf, true)]), function)
}

func TestADialNeverLeavesTheTailnet(t *testing.T) {
	tn := newTailnet(t)
	n := tn.node(t, nodeConfig{})
	// Something listens there: the system's dialer would reach it.
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for address, want := range map[string]kind{
		ln.Addr().String(): kindNotInTailnet,
		strings.Replace(ln.Addr().String(), "127.0.0.1", "localhost", 1): kindNotInTailnet,
		"10.1.2.3:80":       kindNotInTailnet,
		"[fd00::1]:80":      kindNotInTailnet,
		"100.100.100.100:1": kindNotInTailnet,
		"peer":              kindBadAddress,
		":80":               kindBadAddress,
		"100.64.0.1:0":      kindBadAddress,
		"100.64.0.1:http":   kindBadAddress,
	} {
		t.Run(address, func(t *testing.T) { n.openDial(t, address, patience).failure(t, want) })
	}
}

func TestADialToAClosedPortIsRefused(t *testing.T) {
	l := newLink(t, nodeConfig{})
	l.n.openDial(t, net.JoinHostPort(l.peerIP.String(), "9"), patience).failure(t, kindRefused)
}

func TestAPeerIsReachedByItsName(t *testing.T) {
	l := newLink(t, nodeConfig{})
	for _, name := range []string{"peer", "peer.tailnet.test"} {
		box := l.n.openDial(t, net.JoinHostPort(name, linkPort), patience)
		near := box.take(t, "dialed")
		far, err := l.far.Accept()
		if err != nil {
			t.Fatal(err)
		}
		exchange(t, near, far, 1)
		near.leave()
		far.Close()
	}
}
