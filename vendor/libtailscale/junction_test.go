package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"slices"
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

func TestBytesPassAJunctionBothWays(t *testing.T) {
	joined(t, func(t *testing.T, j *joint) {
		there, back := randomBytes(t, 1<<20), randomBytes(t, 1<<20)
		sentThere, sentBack := send(j.far, there), send(j.world, back)
		expect(t, "to the socket", j.world, there)
		expect(t, "to the tailnet", j.far, back)
		if err := errors.Join(<-sentThere, <-sentBack); err != nil {
			t.Fatal(err)
		}
		// What was written is counted a moment after it can be read.
		eventually(t, "all is counted", func() bool {
			return j.c.joined() == passed{1 << 20, 1 << 20, 0} &&
				atomic.LoadUint64(&j.incoming) == 1<<20 && atomic.LoadUint64(&j.outgoing) == 1<<20
		})
		j.partings.SetReadDeadline(time.Now())
		if told, err := j.partings.next(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("the caller was told something: %v, %v", told, err)
		}
	})
}

func TestAJunctionPassesBothEndsOn(t *testing.T) {
	joined(t, func(t *testing.T, j *joint) {
		exchange(t, j.far, j.world, 1<<20)
		reading, writing, ended := j.parted(t)
		if reading != 0 || writing != 0 || !slices.Equal(ended, cleanEnds{fromTailnet, toTailnet}) {
			t.Fatalf("the kernel told %v and %v, ended %v", reading, writing, ended)
		}
		if in, out := j.c.ends(); in != stateClean || out != stateClean {
			t.Fatalf("ends %v and %v", in, out)
		}
	})
	joined(t, func(t *testing.T, j *joint) {
		exchange(t, j.world, j.far, 1)
		if _, _, ended := j.parted(t); !slices.Equal(ended, cleanEnds{toTailnet, fromTailnet}) {
			t.Fatalf("ended %v", ended)
		}
	})
}

func TestAnEndWithoutAnAnswerComesToTheCaller(t *testing.T) {
	joined(t, func(t *testing.T, j *joint) {
		j.far.(halfCloser).CloseWrite()
		if _, err := j.world.Read(make([]byte, 1)); err != io.EOF {
			t.Fatalf("the socket's other end reads %v, want an end", err)
		}
		if reading, writing, ended := j.parted(t); reading != 0 || writing != 0 || !slices.Equal(ended, cleanEnds{fromTailnet}) {
			t.Fatalf("the kernel told %v and %v, ended %v", reading, writing, ended)
		}
		if n, err := j.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Fatalf("after the junction: %d bytes, %v", n, err)
		}
		if in, out := j.c.ends(); in != stateClean || out != stateOpen {
			t.Fatalf("ends %v and %v", in, out)
		}
		sent := send(j, []byte("late"))
		expect(t, "after the half-close", j.far, []byte("late"))
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
	})
	joined(t, func(t *testing.T, j *joint) {
		j.world.CloseWrite()
		if _, err := j.far.Read(make([]byte, 1)); err != io.EOF {
			t.Fatalf("the peer reads %v, want an end", err)
		}
		if _, _, ended := j.parted(t); !slices.Equal(ended, cleanEnds{toTailnet}) {
			t.Fatalf("ended %v", ended)
		}
		sent := send(j.far, []byte("late"))
		expect(t, "after the half-close", j, []byte("late"))
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
	})
}

func TestAJunctionEndsInFullFlowWithoutALossOfBytes(t *testing.T) {
	joined(t, func(t *testing.T, j *joint) {
		there := randomBytes(t, 8<<20)
		sent := send(j.far, there)
		expect(t, "before the end", j.world, there[:1<<20])
		j.world.CloseWrite() // in the midst of what comes the other way
		if reading, writing, ended := j.parted(t); reading != 0 || writing != 0 || slices.Contains(ended, fromTailnet) {
			t.Fatalf("the kernel told %v and %v, ended %v", reading, writing, ended)
		}
		own := j.own(t)
		passed := j.c.joined().incoming
		go func() {
			io.CopyN(own, &j.stream, int64(len(there))-int64(passed))
			own.CloseWrite()
		}()
		rest, err := io.ReadAll(j.world)
		if err != nil || !bytes.Equal(rest, there[1<<20:]) {
			t.Fatalf("after the end: %d of %d bytes, %v", len(rest), len(there)-1<<20, err)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
	})
}

func TestAJunctionGivesUpAReceiverThatStandsStill(t *testing.T) {
	joined(t, func(t *testing.T, j *joint) {
		// More than all buffers on the way take.
		there, back := randomBytes(t, 24<<20), randomBytes(t, 24<<20)
		sentThere, sentBack := send(j.far, there), send(j.world, back)
		if reading, writing, ended := j.parted(t); reading != 0 || writing != 0 || len(ended) != 0 {
			t.Fatalf("the kernel told %v and %v, ended %v", reading, writing, ended)
		}
		own := j.own(t)
		go io.Copy(own, &j.stream)
		go io.Copy(&j.stream, own)
		expect(t, "to the socket", j.world, there)
		expect(t, "to the tailnet", j.far, back)
		if err := errors.Join(<-sentThere, <-sentBack); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAJunctionTellsWhatTheKernelWillNotTellAgain(t *testing.T) {
	t.Run("reading", func(t *testing.T) {
		joined(t, func(t *testing.T, j *joint) {
			sent := send(j.world, []byte("before"))
			expect(t, "before the reset", j.far, []byte("before"))
			j.world.SetLinger(0)
			j.world.Close()
			if reading, _, _ := j.parted(t); reading != syscall.ECONNRESET {
				t.Fatalf("reading told %v", reading)
			}
			<-sent
		})
	})
	t.Run("writing", func(t *testing.T) {
		joined(t, func(t *testing.T, j *joint) {
			send(j.far, randomBytes(t, 4<<20))
			eventually(t, "bytes wait to be read", func() bool { return j.c.joined().incoming > 0 })
			j.world.Close()
			reading, writing, _ := j.parted(t)
			if reading != syscall.ECONNRESET && writing != syscall.ECONNRESET {
				t.Fatalf("told %v and %v", reading, writing)
			}
		})
	})
}

func TestAResetOfThePeerEndsAJunction(t *testing.T) {
	joined(t, func(t *testing.T, j *joint) {
		sent := send(j.far, []byte("before"))
		expect(t, "before the reset", j.world, []byte("before"))
		<-sent
		ep, err := openEndpoint(j.far)
		if err != nil {
			t.Fatal(err)
		}
		ep.abort()
		j.parted(t)
		if n, err := j.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Fatalf("after the junction: %d bytes, %v", n, err)
		}
		if in, _ := j.c.ends(); in != stateReset {
			t.Errorf("incoming is %v, want reset", in)
		}
	})
}

func TestAnAbortEndsAJunctionAndLetsGoOfTheSocket(t *testing.T) {
	joined(t, func(t *testing.T, j *joint) {
		sent := send(j.far, randomBytes(t, 24<<20)) // the world reads none of it
		j.answers(t)
		j.c.abort()
		if _, err := io.Copy(io.Discard, j.world); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the socket's other end reads %v, want a reset", err)
		}
		if err := <-sent; err == nil {
			t.Error("the peer was not reset")
		}
	})
}

func TestOnlyAHeldConnectionIsJoined(t *testing.T) {
	l := newLink(t, nodeConfig{})
	var c *connection
	l.connectAs(t, true, func(held *connection) { c = held })
	lent, _ := loopback(t)
	defer syscall.Close(lent)
	var total uint64
	join := func(what string, fd int, incoming *uint64, want error) {
		t.Helper()
		if err := c.join(fd, incoming, &total); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	join("nobody hears of its end", lent, &total, syscall.ENOTCONN)
	l.n.openPartings(t)
	join("not held", lent, &total, syscall.EBADF)
	held(t, c)
	if _, err := c.claim(); !errors.Is(err, syscall.EBADF) || c.hold() == nil {
		t.Errorf("taken twice: %v", err)
	}
	join("no total", lent, nil, syscall.EINVAL)
	join("no descriptor", -1, &total, syscall.EBADF)
	syscall.SetNonblock(lent, false)
	join("a socket that blocks", lent, &total, syscall.EINVAL)
	syscall.SetNonblock(lent, true)
	fd, err := c.flow()
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	join("one whose bytes flow", lent, &total, syscall.EBADF)
	if _, err := c.flow(); !errors.Is(err, syscall.EBADF) {
		t.Errorf("flowing twice: %v", err)
	}
	c.abort()
}
