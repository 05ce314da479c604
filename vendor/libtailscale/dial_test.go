package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestADialToABlackHoleEndsAtItsTimeout(t *testing.T) {
	tn := newTailnet(t)
	hole := tn.blackHole()
	n := tn.node(t, nodeConfig{})
	began := time.Now()
	box := n.openDial(t, hole, 300*time.Millisecond)
	box.failure(t, kindTimedOut)
	if took := time.Since(began); took < 300*time.Millisecond || took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestADialToABlackHoleEndsWhenItsMailboxCloses(t *testing.T) {
	tn := newTailnet(t)
	hole := tn.blackHole()
	n := tn.node(t, nodeConfig{})
	before := runtime.NumGoroutine()
	box := n.openDial(t, hole, time.Hour)
	eventually(t, "the dial is under way", func() bool { return runtime.NumGoroutine() > before })
	box.Close()
	eventually(t, "no mailbox is left", func() bool { return count().mailboxes == 0 })
	eventually(t, "no dial is left", func() bool { return !stackHas("(*node).dial(") })
}

// blackHole is an address of a node that never answers, to be asked for before there are
// others.
func (tn *tailnet) blackHole() string {
	tn.control.AddFakeNode()
	return net.JoinHostPort(tn.control.AllNodes()[0].Addresses[0].Addr().String(), "80")
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

// dialing is a dial whose answer is given by hand.
type dialing struct {
	id      uint64
	answers chan []byte
}

// dialTaking dials, and takes the answer or not.
func (n *seamNode) dialTaking(takes bool, address string, limit time.Duration) dialing {
	answers := make(chan []byte, 2)
	id := n.dialByHand(bounded(func(payload []byte) bool {
		answers <- bytes.Clone(payload)
		return takes
	}), "tcp", address, limit)
	return dialing{id, answers}
}

// answer is the message that it is given.
func (d dialing) answer(t *testing.T) []byte {
	t.Helper()
	select {
	case answer := <-d.answers:
		return answer
	case <-time.After(patience):
		t.Fatal("no answer")
		return nil
	}
}

// dialed is the connection that the answer announces.
func (d dialing) dialed(t *testing.T) *connection {
	t.Helper()
	answer := d.answer(t)
	var m connectionMessage
	if err := json.Unmarshal(answer, &m); err != nil || m.Type != "dialed" {
		t.Fatalf("the answer is %s: %v", answer, err)
	}
	c, ok := findConnection(m.ID).(*connection)
	if !ok {
		t.Fatalf("connection %d is not known", m.ID)
	}
	return c
}

// fails waits until it has failed, and is over.
func (d dialing) fails(t *testing.T, want kind) {
	t.Helper()
	answer := d.answer(t)
	var m errorMessage
	if err := json.Unmarshal(answer, &m); err != nil || m.Kind != want {
		t.Errorf("the answer is %s, not %s: %v", answer, want, err)
	}
	d.isOver(t)
}

// cancel cancels it, which can be done once.
func (d dialing) cancel(t *testing.T) {
	t.Helper()
	if err := cancelDial(d.id); err != nil {
		t.Errorf("it cannot be cancelled: %v", err)
	}
	if err := cancelDial(d.id); err != syscall.EBADF {
		t.Errorf("cancelled again it says %v", err)
	}
}

// isOver waits until nothing of it is left.
func (d dialing) isOver(t *testing.T) {
	t.Helper()
	eventually(t, "the dial is over", func() bool {
		registry.mu.Lock()
		defer registry.mu.Unlock()
		return registry.dials[d.id] == nil
	})
	eventually(t, "no dial is left", func() bool { return !stackHas("(*node).dial(") })
	if len(d.answers) > 0 {
		t.Errorf("it answers once more: %s", <-d.answers)
	}
}

func TestADialIsAnsweredByHand(t *testing.T) {
	l := newLink(t, nodeConfig{})
	d := l.n.dialTaking(true, net.JoinHostPort(l.peerIP.String(), linkPort), patience)
	near := d.dialed(t).claimed(t)
	far, err := l.far.Accept()
	if err != nil {
		t.Fatal(err)
	}
	d.isOver(t)
	exchange(t, near, far, 1)
	near.leave()
	far.Close()

	d = l.n.dialTaking(true, net.JoinHostPort(l.peerIP.String(), "9"), patience)
	d.fails(t, kindRefused)
}

func TestADialByHandEndsAtItsTimeout(t *testing.T) {
	tn := newTailnet(t)
	hole := tn.blackHole()
	n := tn.node(t, nodeConfig{})
	n.dialTaking(true, hole, 300*time.Millisecond).fails(t, kindTimedOut)
}

func TestWhatIsDialedForNobodyIsReset(t *testing.T) {
	l := newLink(t, nodeConfig{})
	address := net.JoinHostPort(l.peerIP.String(), linkPort)
	for name, ends := range map[string]func(d dialing, c *connection){
		"it is cancelled":         func(d dialing, _ *connection) { d.cancel(t) },
		"what it made is aborted": func(_ dialing, c *connection) { c.abort() },
	} {
		t.Run(name, func(t *testing.T) {
			d := l.n.dialTaking(true, address, patience)
			c := d.dialed(t)
			far, err := l.far.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer far.Close()
			ends(d, c)
			far.SetReadDeadline(time.Now().Add(patience))
			if _, err := far.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the peer reads %v", err)
			}
			d.isOver(t)
			eventually(t, "no connection is left", func() bool { return count().connections == 0 })
		})
	}
	d := l.n.dialTaking(false, address, patience)
	d.answer(t)
	d.isOver(t)
	eventually(t, "no connection is left that nobody took", func() bool { return count().connections == 0 })
}

func TestADialToABlackHoleEndsWhenItIsCancelled(t *testing.T) {
	tn := newTailnet(t)
	hole := tn.blackHole()
	d := tn.node(t, nodeConfig{}).dialTaking(false, hole, time.Hour)
	eventually(t, "the dial is under way", func() bool { return stackHas("(*node).dial(") })
	d.cancel(t)
	eventually(t, "no mailbox is left", func() bool { return count().mailboxes == 0 })
	eventually(t, "no dial is left", func() bool { return !stackHas("(*node).dial(") })
}
