package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"tailscale.com/tsnet"
)

// upstreamNode is a server as the calls named tailscale_ drive it.
type upstreamNode struct {
	*server
	handle int32
	ip     netip.Addr
}

// upstream makes a server of the tailnet, which is not started.
func (tn *tailnet) upstream(t *testing.T, name string) *upstreamNode {
	t.Helper()
	handle := newServer()
	u := &upstreamNode{server: findServer(handle), handle: handle}
	u.config.Dir, u.config.Hostname, u.config.ControlURL = t.TempDir(), name, tn.url
	t.Cleanup(func() { u.shut(t) })
	return u
}

// shut closes the server unless the test already has.
func (u *upstreamNode) shut(t *testing.T) {
	if s := takeServer(u.handle); s != nil {
		if err := s.close(); err != nil {
			t.Errorf("close left something behind: %v", err)
		}
	}
}

func (u *upstreamNode) connect(t *testing.T) *upstreamNode {
	t.Helper()
	if err := u.upAfresh(); err != nil {
		t.Fatal(err)
	}
	ip4, _, _ := strings.Cut(u.addresses(), ",")
	u.ip = netip.MustParseAddr(ip4)
	return u
}

func upstreamConn(t *testing.T, fd int) *net.UnixConn {
	t.Helper()
	conn := openCaller(t, fd)
	conn.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { conn.Close() })
	return conn
}

func dialed(t *testing.T, peer *tsnet.Server, to netip.Addr) net.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := peer.Dial(ctx, "tcp", net.JoinHostPort(to.String(), linkPort))
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { conn.Close() })
	return conn
}

func flags(t *testing.T, fd int) (blocking, closeOnExec bool) {
	t.Helper()
	status, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	own, err2 := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	if err = errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return status&unix.O_NONBLOCK == 0, own&unix.FD_CLOEXEC != 0
}

func TestUpstreamCallsKeepAHalfClose(t *testing.T) {
	tn := newTailnet(t)
	peer, peerIP := tn.peer(t, "peer")
	u := tn.upstream(t, "up").connect(t)
	l := u.open(t, ":"+linkPort)
	far, err := peer.Listen("tcp", ":"+linkPort)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1, 1 << 20} {
		asking := dialed(t, peer, u.ip)
		exchange(t, asking, l.next(t), size)
		fd, err := u.dial("tcp", net.JoinHostPort(peerIP.String(), linkPort))
		if err != nil {
			t.Fatal(err)
		}
		if blocking, closeOnExec := flags(t, fd); !blocking || !closeOnExec {
			t.Errorf("a dialed descriptor: blocking %v, close-on-exec %v", blocking, closeOnExec)
		}
		near := upstreamConn(t, fd)
		answering, err := far.Accept()
		if err != nil {
			t.Fatal(err)
		}
		exchange(t, near, answering, size)
		answering.Close()
	}
	eventually(t, "all ids are retired", func() bool { return count().connections == 0 })
}

func TestACloseDeliversWhatWasWritten(t *testing.T) {
	tn := newTailnet(t)
	peer, _ := tn.peer(t, "peer")
	u := tn.upstream(t, "up").connect(t)
	l := u.open(t, ":"+linkPort)
	for _, size := range []int{1, 4 << 20} {
		for _, ended := range []bool{false, true} {
			far := dialed(t, peer, u.ip)
			near := l.next(t)
			sent := randomBytes(t, size)
			wrote := make(chan error, 1)
			go func() {
				_, err := near.Write(sent)
				if ended {
					err = errors.Join(err, near.CloseWrite())
				}
				// The peer has not ended its own direction.
				wrote <- errors.Join(err, near.Close())
			}()
			got, err := io.ReadAll(far)
			if err = errors.Join(err, <-wrote); err != nil || !bytes.Equal(got, sent) {
				t.Errorf("%d of %d bytes, %v", len(got), size, err)
			}
			// What still comes is answered by a reset, so that the peer learns of it.
			eventually(t, "the peer cannot write any more", func() bool {
				_, err := far.Write([]byte("?"))
				return err != nil
			})
		}
	}
	eventually(t, "all ids are retired", func() bool { return count().connections == 0 })
	eventually(t, "nothing lingers", func() bool { return count().lingering == 0 })
}

func TestACloseEndsEveryCallThatWaits(t *testing.T) {
	tn := newTailnet(t)
	hole := tn.blackHole()
	u := tn.upstream(t, "up").connect(t)
	l := u.open(t, ":"+linkPort)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	stuck := tn.upstream(t, "stuck")
	stuck.config.ControlURL = "http://" + silent.Addr().String()

	answers := make(chan error, 4)
	known := findListener(l.fd)
	go func() { _, err := known.accept(l.fd); answers <- err }()
	go func() { _, err := u.dial("tcp", hole); answers <- err }()
	go func() { answers <- stuck.upAfresh() }()
	go func() { _, err := stuck.dial("tcp", hole); answers <- err }()
	eventually(t, "all of them wait", func() bool {
		return stackHas("(*listener).accept(") && stackHas("(*server).dial(") && stackHas("(*node).followStart(")
	})
	u.shut(t)
	stuck.shut(t)
	for range cap(answers) {
		select {
		case err := <-answers:
			if err == nil {
				t.Error("a call that waited was answered")
			}
		case <-time.After(patience):
			t.Fatal("a call still waits")
		}
	}
	if _, err := u.begin(); err == nil {
		t.Error("a closed server begins")
	}
}

func TestUpstreamLeavesNothingBehind(t *testing.T) {
	tn := newTailnet(t)
	peer, peerIP := tn.peer(t, "peer")
	far, err := peer.Listen("tcp", ":"+linkPort)
	if err != nil {
		t.Fatal(err)
	}
	u := tn.upstream(t, "up").connect(t)
	l := u.open(t, ":"+linkPort)
	// Open, waiting, half closed and over.
	dialed(t, peer, u.ip)
	open := l.next(t)
	waiting := dialed(t, peer, u.ip)
	fd, err := u.dial("tcp", net.JoinHostPort(peerIP.String(), linkPort))
	if err != nil {
		t.Fatal(err)
	}
	half := upstreamConn(t, fd)
	half.CloseWrite()
	if conn, err := far.Accept(); err != nil {
		t.Fatal(err)
	} else {
		defer conn.Close()
	}
	u.shut(t)
	for _, conn := range []net.Conn{open, half} {
		if n, err := conn.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Errorf("a closed node's connection reads %d, %v", n, err)
		}
	}
	waiting.Read(make([]byte, 1))
	eventually(t, "all counters are zero", func() bool {
		now := count()
		now.goroutines, now.threads, now.droppedLogLines, now.droppedDatagrams = 0, 0, 0, 0
		listeners.mu.Lock()
		defer listeners.mu.Unlock()
		return now == counts{} && len(listeners.known) == 0
	})
	servers.mu.Lock()
	defer servers.mu.Unlock()
	if len(servers.known) != 0 {
		t.Errorf("%d servers are left", len(servers.known))
	}
}

func TestARefusedKeyEndsUpWithAText(t *testing.T) {
	tn := newTailnet(t)
	tn.control.RequireAuthKey = "right"
	u := tn.upstream(t, "up")
	u.config.AuthKey = "wrong"
	err := u.upAfresh()
	if f := failureOf(err); err == nil || f.kind != kindLoginRefused || !strings.Contains(f.detail, "invalid authkey") {
		t.Errorf("%v", err)
	}
	if u.addresses() != "" {
		t.Errorf("addresses %q without a login", u.addresses())
	}
	if err := u.set(func() error { return nil }); err == nil {
		t.Error("a setting came after the start")
	}
}
