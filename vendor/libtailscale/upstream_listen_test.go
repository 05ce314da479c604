package main

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"tailscale.com/tsnet"
)

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
