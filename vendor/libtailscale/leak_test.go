package main

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

// osThreads is the number of threads of this process.
func osThreads(t *testing.T) int {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Skipf("counting threads needs /proc: %v", err)
	}
	return len(tasks)
}

// openFiles is the number of this process's descriptors.
func openFiles(t *testing.T) int {
	t.Helper()
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil || len(links) == 0 {
		t.Skip("counting descriptors needs /proc")
	}
	return len(links)
}

// TestEverythingClosedIsEverythingGone opens one of each, leaves answers unread
// and connections unclaimed, and counts to zero.
func TestEverythingClosedIsEverythingGone(t *testing.T) {
	// The first use opens what a process keeps: the poller, the resolver.
	goroutines := runtime.NumGoroutine()
	t.Run("first use", useAndAbandon)
	eventually(t, "the goroutines of the first use are gone", func() bool { return runtime.NumGoroutine() <= goroutines })
	runtime.GC()
	files := openFiles(t)
	t.Run("second use", useAndAbandon)
	eventually(t, "all counters are zero", func() bool {
		now := count()
		now.goroutines, now.threads, now.droppedLogLines, now.droppedDatagrams = 0, 0, 0, 0
		return now == counts{}
	})
	eventually(t, "the goroutines are back", func() bool { return runtime.NumGoroutine() <= goroutines })
	// tsnet's port list leaves its /proc files to the garbage collector.
	eventually(t, "the descriptors are back", func() bool {
		runtime.GC()
		return openFiles(t) <= files
	})
}

func useAndAbandon(t *testing.T) {
	l := newLink(t, nodeConfig{})
	// The peer refuses what is not accepted within a second.
	go func() {
		for {
			far, err := l.far.Accept()
			if err != nil {
				return
			}
			defer far.Close()
		}
	}()
	var conns []net.Conn
	for range 100 {
		conn, err := l.peer.Dial(t.Context(), "tcp", net.JoinHostPort(l.n.ip.String(), linkPort))
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	dialed := l.n.openDial(t, net.JoinHostPort(l.peerIP.String(), linkPort), patience)
	eventually(t, "101 connections are announced", func() bool { return count().connections == 101 })
	l.inbox.Close() // with 100 messages unread
	dialed.Close()  // with its answer unread
	flows := l.n.openListenOn(t, "udp", ":"+linkPort)
	client, err := l.peer.Dial(t.Context(), "udp", net.JoinHostPort(l.n.ip.String(), linkPort))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	client.Write([]byte("unclaimed"))
	flow := l.n.openDialOn(t, "udp", net.JoinHostPort(l.peerIP.String(), linkPort), patience).flow(t, "dialed")
	eventually(t, "two flows are announced", func() bool { return count().connections >= 2 })
	flows.Close() // with its message unread
	flow.abort()
	eventually(t, "the unclaimed are aborted", func() bool { return count().connections == 0 })
	for _, conn := range conns {
		conn.SetReadDeadline(time.Now().Add(patience))
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Error("an unclaimed connection carried bytes")
		}
		conn.Close()
	}
	// Claimed and left open: the node's close ends it.
	box := l.n.openDial(t, net.JoinHostPort(l.peerIP.String(), linkPort), patience)
	near := box.take(t, "dialed")
	open := l.n.openDialOn(t, "udp", net.JoinHostPort(l.peerIP.String(), linkPort), patience).flow(t, "dialed").take(t)
	open.put(t, []byte("into the blue"))
	l.n.shut(t)
	near.SetDeadline(time.Now().Add(patience))
	if n, err := near.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Errorf("a closed node's connection reads %d, %v", n, err)
	}
}

func TestAThousandConnectionsNeedFewThreads(t *testing.T) {
	const many, limit = 1000, 20
	l := newLink(t, nodeConfig{})
	var near []*stream
	var far []net.Conn
	for range many {
		s, f := l.connect(t, true)
		near, far = append(near, s), append(far, f)
	}
	if got := osThreads(t); got > limit {
		t.Errorf("%d threads with %d idle connections", got, many)
	}
	var echoing sync.WaitGroup
	for i := range near {
		echoing.Go(func() {
			if _, err := far[i].Write([]byte{byte(i)}); err != nil {
				t.Error(err)
			}
			var got [1]byte
			if _, err := near[i].Read(got[:]); err != nil || got[0] != byte(i) {
				t.Errorf("connection %d: %v, %v", i, got, err)
			}
		})
	}
	echoing.Wait()
	if got := osThreads(t); got > limit {
		t.Errorf("%d threads with %d connections in use", got, many)
	}
	t.Logf("%d connections: %d threads", many, osThreads(t))
	for i := range near {
		near[i].c.abort()
		near[i].Close()
		far[i].Close()
	}
	eventually(t, "all ids are retired", func() bool { return count().connections == 0 })
	// The peer's close resets those it still has, after nobody takes its packets any more,
	// and waits for ever with more of them than its queue holds.
	peer := stackOf(l.peer).Stats().TCP
	eventually(t, "the peer has none left", func() bool { return peer.CurrentConnected.Value() == 0 })
}
