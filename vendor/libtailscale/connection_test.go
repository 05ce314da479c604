package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"tailscale.com/tsnet"
)

type halfCloser interface{ CloseWrite() error }

func randomBytes(t *testing.T, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return b
}

// exchange has first send and half-close, and second answer after it has read
// everything to its end.
func exchange(t *testing.T, first, second net.Conn, size int) {
	t.Helper()
	question, answer := randomBytes(t, size), randomBytes(t, size)
	failed := make(chan error, 1)
	go func() {
		_, err := first.Write(question)
		failed <- errors.Join(err, first.(halfCloser).CloseWrite())
	}()
	got, err := io.ReadAll(second)
	if err = errors.Join(err, <-failed); err != nil || !bytes.Equal(got, question) {
		t.Fatalf("question: %d of %d bytes, %v", len(got), size, err)
	}
	go func() {
		_, err := second.Write(answer)
		failed <- errors.Join(err, second.(halfCloser).CloseWrite())
	}()
	got, err = io.ReadAll(first)
	if err = errors.Join(err, <-failed); err != nil || !bytes.Equal(got, answer) {
		t.Fatalf("answer after the half-close: %d of %d bytes, %v", len(got), size, err)
	}
}

func TestHalfCloseKeepsTheOtherDirectionWhole(t *testing.T) {
	l := newLink(t, nodeConfig{})
	for _, size := range []int{1, 1 << 20} {
		l.inBothRoles(t, func(t *testing.T, near *stream, far net.Conn) {
			exchange(t, near, far, size)
			near.leave()
		})
		l.inBothRoles(t, func(t *testing.T, near *stream, far net.Conn) {
			exchange(t, far, near, size)
			// The peer may have read the end a moment before it is noted here.
			eventually(t, "both ends are clean", func() bool {
				in, out := near.c.ends()
				return in == stateClean && out == stateClean
			})
			near.leave()
		})
	}
	eventually(t, "all ids are retired", func() bool { return count().connections == 0 })
	eventually(t, "nothing lingers", func() bool { return count().lingering == 0 })
}

func TestAResetOfThePeerIsNotAnEnd(t *testing.T) {
	l := newLink(t, nodeConfig{})
	l.inBothRoles(t, func(t *testing.T, near *stream, far net.Conn) {
		if _, err := far.Write([]byte("before")); err != nil {
			t.Fatal(err)
		}
		var got [6]byte
		if _, err := io.ReadFull(near, got[:]); err != nil {
			t.Fatal(err)
		}
		ep, err := openEndpoint(far)
		if err != nil {
			t.Fatal(err)
		}
		ep.abort()
		if n, err := near.Read(got[:]); n != 0 || err != io.EOF {
			t.Fatalf("after the reset: %d bytes, %v", n, err)
		}
		if in, _ := near.c.ends(); in != stateReset {
			t.Errorf("incoming is %v once EOF can be read, want reset", in)
		}
		// The other direction learns of it on its next write.
		eventually(t, "a write fails", func() bool { _, err := near.Write([]byte("x")); return err != nil })
		if _, out := near.c.ends(); out != stateReset {
			t.Errorf("outgoing is %v after a failed write, want reset", out)
		}
		near.leave()
	})
}

func TestAnAbortReachesThePeerAsAReset(t *testing.T) {
	l := newLink(t, nodeConfig{})
	l.inBothRoles(t, func(t *testing.T, near *stream, far net.Conn) {
		near.c.abort()
		if _, err := far.Read(make([]byte, 1)); err == nil || err == io.EOF {
			t.Errorf("the peer reads %v, want a reset", err)
		}
		if findConnection(near.c.id) != nil {
			t.Error("an aborted id is still known")
		}
	})
}

func TestAnAbortBeforeTheClaimReachesThePeer(t *testing.T) {
	l := newLink(t, nodeConfig{})
	far, err := l.peer.Dial(t.Context(), "tcp", net.JoinHostPort(l.n.ip.String(), linkPort))
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	var id uint64
	json.Unmarshal(l.inbox.until(t, "accepted")["id"], &id)
	c := findConnection(id)
	c.abort()
	if _, err := c.claim(); !errors.Is(err, syscall.EBADF) {
		t.Errorf("claiming an aborted connection: %v", err)
	}
	far.SetDeadline(time.Now().Add(patience))
	if _, err := far.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("the peer reads %v, want a reset", err)
	}
}

func TestACallerThatGoesAwayResetsThePeer(t *testing.T) {
	for _, shutFirst := range []bool{false, true} {
		l := newLink(t, nodeConfig{})
		l.inBothRoles(t, func(t *testing.T, near *stream, far net.Conn) {
			if shutFirst {
				if err := near.CloseWrite(); err != nil {
					t.Fatal(err)
				}
				// The FIN has arrived before the close: the hang-up is
				// then all that tells of it.
				if _, err := far.Read(make([]byte, 1)); err != io.EOF {
					t.Fatalf("the peer reads %v, want EOF", err)
				}
			}
			near.Close()
			eventually(t, "the peer's write fails", func() bool {
				_, err := far.Write(make([]byte, 1024))
				return err != nil
			})
			eventually(t, "the id is retired", func() bool { return findConnection(near.c.id) == nil })
		})
	}
}

func TestAcceptedConnectionsCarryTheirOwnPeersAddress(t *testing.T) {
	tn := newTailnet(t)
	n := tn.node(t, nodeConfig{})
	inbox := n.openListen(t, ":7000")
	const peers, each = 4, 50

	var dialing sync.WaitGroup
	var mu sync.Mutex
	want := make(map[netip.AddrPort]bool)
	for i := range peers {
		peer, _ := tn.peer(t, string(rune('a'+i)))
		dialing.Add(1)
		go func(peer *tsnet.Server) {
			defer dialing.Done()
			for range each {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				conn, err := peer.Dial(ctx, "tcp", net.JoinHostPort(n.ip.String(), "7000"))
				cancel()
				if err != nil {
					t.Error(err)
					return
				}
				t.Cleanup(func() { conn.Close() })
				mu.Lock()
				want[netip.MustParseAddrPort(conn.LocalAddr().String())] = true
				mu.Unlock()
			}
		}(peer)
	}
	got := make(map[netip.AddrPort]bool)
	for range peers * each {
		m := inbox.until(t, "accepted")
		remote := netip.MustParseAddrPort(m.text("remote"))
		if got[remote] {
			t.Errorf("%v was announced twice", remote)
		}
		got[remote] = true
		if local := m.text("local"); local != net.JoinHostPort(n.ip.String(), "7000") {
			t.Errorf("local address %s", local)
		}
	}
	dialing.Wait()
	for remote := range want {
		if !got[remote] {
			t.Errorf("%v connected and was never announced", remote)
		}
	}
}

func TestFlushWaitsUntilThePeerHasEverything(t *testing.T) {
	l := newLink(t, nodeConfig{})
	near, far := l.connect(t, true)
	sent := randomBytes(t, 4<<20)
	wrote := make(chan error, 1)
	go func() {
		_, err := near.Write(sent)
		wrote <- errors.Join(err, near.CloseWrite())
	}()
	// The peer does not read yet: its window and the queues fill up.
	eventually(t, "bytes are unacknowledged", func() bool { return near.c.unacknowledged() > 0 })
	if left := l.n.flush(t.Context(), 50*time.Millisecond); left.Connections != 1 || left.Bytes == 0 {
		t.Errorf("a flush that ran out of time reports %+v", left)
	}
	far.SetDeadline(time.Now().Add(patience))
	received := make(chan []byte, 1)
	go func() {
		got, _ := io.ReadAll(far)
		received <- got
	}()
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	if left := l.n.flush(t.Context(), patience); left.Connections != 0 || left.Bytes != 0 {
		t.Fatalf("flush left %+v", left)
	}
	// What was acknowledged survives the node's immediate end.
	l.n.shut(t)
	if got := <-received; !bytes.Equal(got, sent) {
		t.Fatalf("the peer got %d of %d bytes", len(got), len(sent))
	}
}

// vanish makes a peer silent: nothing of it answers any more, not even with a
// reset.
func vanish(peer *tsnet.Server) { peer.Sys().Engine.Get().Close() }

func TestAPeerThatVanishesTimesOut(t *testing.T) {
	for _, inFlight := range []bool{false, true} {
		l := newLink(t, nodeConfig{KeepaliveMS: 1000})
		near, _ := l.connect(t, false)
		began := time.Now()
		vanish(l.peer)
		if inFlight {
			if _, err := near.Write([]byte("is anybody there?")); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := near.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Fatalf("%d bytes, %v", n, err)
		}
		if in, _ := near.c.ends(); in != stateTimedOut {
			t.Errorf("incoming is %v, want timed out", in)
		}
		if took := time.Since(began); took > 3*time.Second+slack {
			t.Errorf("bytes in flight %v: gone after %v with a keepalive of 1s", inFlight, took)
		}
		near.leave()
	}
}

func TestAPeerThatDoesNotReadIsNotSilent(t *testing.T) {
	l := newLink(t, nodeConfig{KeepaliveMS: 500})
	near, far := l.connect(t, true)
	sent := randomBytes(t, 16<<20)
	wrote := make(chan error, 1)
	go func() {
		_, err := near.Write(sent)
		wrote <- errors.Join(err, near.CloseWrite())
	}()
	// Six keepalive times with a closed window: time is the point here.
	time.Sleep(3 * time.Second)
	far.SetDeadline(time.Now().Add(patience))
	got, err := io.ReadAll(far)
	if err = errors.Join(err, <-wrote); err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("%d of %d bytes, %v", len(got), len(sent), err)
	}
}
