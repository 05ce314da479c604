package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
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

// upstreamListener is a listener by its descriptor.
type upstreamListener struct{ fd int }

func (u *upstreamNode) open(t *testing.T, address string) upstreamListener {
	t.Helper()
	fd, err := u.listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	l := upstreamListener{fd}
	t.Cleanup(func() { l.shut() })
	return l
}

// shut closes the descriptor as long as it is the listener's.
func (l upstreamListener) shut() {
	if findListener(l.fd) != nil {
		unix.Close(l.fd)
	}
}

func (l upstreamListener) next(t *testing.T) *net.UnixConn {
	t.Helper()
	fd, err := findListener(l.fd).accept(l.fd)
	if err != nil {
		t.Fatal(err)
	}
	return upstreamConn(t, fd)
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

func readable(t *testing.T, fd int, limit time.Duration) bool {
	t.Helper()
	for {
		polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(polled, int(limit.Milliseconds()))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return n == 1
	}
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

func TestAListenerIsReadableWhenAConnectionWaits(t *testing.T) {
	tn := newTailnet(t)
	peer, _ := tn.peer(t, "peer")
	u := tn.upstream(t, "up").connect(t)
	l := u.open(t, ":"+linkPort)
	if blocking, closeOnExec := flags(t, l.fd); !blocking || !closeOnExec {
		t.Errorf("the listener: blocking %v, close-on-exec %v", blocking, closeOnExec)
	}
	if readable(t, l.fd, 0) {
		t.Error("readable without a connection")
	}
	dialed(t, peer, u.ip)
	if !readable(t, l.fd, patience) {
		t.Fatal("not readable with a connection")
	}
	fd, err := findListener(l.fd).accept(l.fd)
	if err != nil {
		t.Fatal(err)
	}
	if blocking, closeOnExec := flags(t, fd); !blocking || !closeOnExec {
		t.Errorf("an accepted descriptor: blocking %v, close-on-exec %v", blocking, closeOnExec)
	}
	upstreamConn(t, fd)
	if readable(t, l.fd, 0) {
		t.Error("still readable")
	}
	unix.SetNonblock(l.fd, true)
	if _, err := findListener(l.fd).accept(l.fd); !errors.Is(err, syscall.EAGAIN) {
		t.Errorf("accept without waiting: %v", err)
	}
}

func TestAClosedListenerGivesItsPortBack(t *testing.T) {
	tn := newTailnet(t)
	peer, _ := tn.peer(t, "peer")
	u := tn.upstream(t, "up").connect(t)
	l := u.open(t, ":"+linkPort)
	if _, err := u.listen("tcp", ":"+linkPort); failureOf(err).kind != kindPortInUse {
		t.Fatalf("the second listener: %v", err)
	}
	waiting := dialed(t, peer, u.ip)
	if !readable(t, l.fd, patience) {
		t.Fatal("not readable with a connection")
	}
	l.shut()
	eventually(t, "the listener is forgotten", func() bool { return findListener(l.fd) == nil })
	if _, err := waiting.Read(make([]byte, 1)); err == nil {
		t.Error("a connection that nobody accepted carried bytes")
	}
	eventually(t, "the port is free again", func() bool {
		fd, err := u.listen("tcp", ":"+linkPort)
		if err == nil {
			unix.Close(fd)
		}
		return err == nil
	})
}

func TestAnAddressBelongsToTheSocket(t *testing.T) {
	tn := newTailnet(t)
	var peers []*tsnet.Server
	var ips []netip.Addr
	for _, name := range []string{"one", "two"} {
		peer, ip := tn.peer(t, name)
		peers, ips = append(peers, peer), append(ips, ip)
	}
	u := tn.upstream(t, "up").connect(t)
	l := u.open(t, ":"+linkPort)
	known := findListener(l.fd)
	for i := range 50 {
		far := dialed(t, peers[i%2], u.ip)
		fd, err := known.accept(l.fd)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := known.remote(fd); !ok || got != ips[i%2] {
			t.Fatalf("connection %d from %v: %v, %v", i, ips[i%2], got, ok)
		}
		unix.Close(fd) // the next one has the same number
		far.Close()
	}
	// Over, and still open here.
	dialed(t, peers[0], u.ip).Close()
	last := l.next(t)
	last.CloseWrite()
	last.Read(make([]byte, 1))
	eventually(t, "the last one is over", func() bool { return count().connections == 0 })
	raw, err := last.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		if got, ok := known.remote(int(fd)); !ok || got != ips[0] {
			t.Errorf("a connection that is over, from %v: %v, %v", ips[0], got, ok)
		}
	})
	if got, ok := known.remote(l.fd); ok {
		t.Errorf("the listener itself is from %v", got)
	}
}

func TestAddressesOfWhatIsLongOverAreForgotten(t *testing.T) {
	l := &listener{remotes: make(map[inode]netip.Addr)}
	for i := range uint64(3 * rememberEnded) {
		l.remember(inode{0, i}, netip.IPv4Unspecified())
		l.over(inode{0, i})
	}
	if len(l.remotes) != rememberEnded || len(l.ended) != rememberEnded {
		t.Errorf("%d addresses, %d ended", len(l.remotes), len(l.ended))
	}
}

func TestACloseEndsEveryCallThatWaits(t *testing.T) {
	tn := newTailnet(t)
	tn.control.AddFakeNode()
	hole := tn.control.AllNodes()[0].Addresses[0].Addr().String()
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
	go func() { _, err := u.dial("tcp", net.JoinHostPort(hole, "80")); answers <- err }()
	go func() { answers <- stuck.upAfresh() }()
	go func() { _, err := stuck.dial("tcp", net.JoinHostPort(hole, "80")); answers <- err }()
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
