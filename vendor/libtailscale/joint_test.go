package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// joint is a connection of the tailnet joined to one of the kernel: far is the peer's
// end, world the other end of the kernel's, and the caller has what is between.
type joint struct {
	stream             // its bytes flow once the junction has parted
	partings           *box
	lent               int
	far                net.Conn
	world              *net.TCPConn
	incoming, outgoing uint64
}

// loopback makes a connection of the kernel, one end of it as a caller has it.
func loopback(t *testing.T) (lent int, world *net.TCPConn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	dialed, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer dialed.Close()
	raw, err := dialed.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { lent, err = syscall.Dup(int(fd)) })
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	accepted.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { accepted.Close() })
	return lent, accepted.(*net.TCPConn)
}

// joined runs a test over an accepted and over a dialed connection that is joined.
func joined(t *testing.T, test func(t *testing.T, j *joint)) {
	l := newLink(t, nodeConfig{})
	for _, role := range []string{"accepted", "dialed"} {
		t.Run(role, func(t *testing.T) {
			j := &joint{}
			j.lent, j.world = loopback(t)
			defer func() { syscall.Close(j.lent) }()
			linger := syscall.Linger{Onoff: 1} // lost, it is reset
			if err := syscall.SetsockoptLinger(j.lent, syscall.SOL_SOCKET, syscall.SO_LINGER, &linger); err != nil {
				t.Fatal(err)
			}
			j.partings = l.n.openPartings(t)
			j.far = l.connectAs(t, role == "accepted", func(c *connection) { j.c = held(t, c) })
			j.far.SetDeadline(time.Now().Add(patience))
			if err := j.c.join(j.lent, &j.incoming, &j.outgoing); err != nil {
				t.Fatal(err)
			}
			j.lent = -1 // until it is back
			test(t, j)
			j.c.abort()
		})
	}
	eventually(t, "all ids are retired", func() bool { return count().connections == 0 })
}

func (n *seamNode) openPartings(t *testing.T) *box {
	t.Helper()
	fd, err := n.hearOfPartings(nil)
	if err != nil {
		t.Fatal(err)
	}
	return openBox(t, fd)
}

// held is a connection that the caller has taken.
func held(t *testing.T, c *connection) *connection {
	t.Helper()
	if err := c.hold(); err != nil {
		t.Fatal(err)
	}
	return c
}

// parted waits for the junction's end, and takes up what it leaves.
func (j *joint) parted(t *testing.T) (reading, writing syscall.Errno, ended cleanEnds) {
	t.Helper()
	payload, err := json.Marshal(j.partings.until(t, "parted"))
	if err != nil {
		t.Fatal(err)
	}
	var told partedMessage
	if err := json.Unmarshal(payload, &told); err != nil {
		t.Fatal(err)
	}
	if told.ID != j.c.id || told.Incoming != atomic.LoadUint64(&j.incoming) || told.Outgoing != atomic.LoadUint64(&j.outgoing) {
		t.Errorf("told %s of connection %d, counted %d and %d", payload, j.c.id, j.incoming, j.outgoing)
	}
	if len(told.Ended) == 2 {
		if _, err := j.c.takeBack(); !errors.Is(err, syscall.EBADF) {
			t.Errorf("taking a socket back that is over: %v", err)
		}
	} else {
		if j.lent, err = j.c.takeBack(); err != nil {
			t.Fatal(err)
		}
		fd, err := j.c.flow()
		if err != nil {
			t.Fatal(err)
		}
		j.begin(t, fd)
	}
	return syscall.Errno(told.Reading), syscall.Errno(told.Writing), told.Ended
}

// answers has a few bytes pass to the tailnet.
func (j *joint) answers(t *testing.T) {
	t.Helper()
	sent := send(j.world, []byte("answer"))
	expect(t, "an answer", j.far, []byte("answer"))
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}

// own is the lent socket as a connection, once it is the caller's again.
func (j *joint) own(t *testing.T) *net.TCPConn {
	t.Helper()
	fd, err := syscall.Dup(j.lent)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "lent")
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	own := conn.(*net.TCPConn)
	own.SetDeadline(time.Now().Add(patience))
	own.SetLinger(-1)
	t.Cleanup(func() { own.Close() })
	return own
}

// send writes all and tells how it went.
func send(to io.Writer, bytes []byte) <-chan error {
	sent := make(chan error, 1)
	go func() {
		_, err := to.Write(bytes)
		sent <- err
	}()
	return sent
}

func expect(t *testing.T, what string, from io.Reader, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(from, got)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%s: %d of %d bytes, %v", what, n, len(want), err)
	}
}
