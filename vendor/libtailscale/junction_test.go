package main

import (
	"bytes"
	"encoding/binary"
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
// end, world the other end of the kernel's, and the caller holds what is between.
type joint struct {
	*stream
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
			j.stream, j.far = l.connectAs(t, role == "accepted", (*connection).hold)
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

// parted waits for the words at the junction's end.
func (j *joint) parted(t *testing.T) (reading, writing syscall.Errno, ended cleanEnds) {
	t.Helper()
	var words [28]byte
	var rights [64]byte
	n, size, _, _, err := j.ReadMsgUnix(words[:], rights[:])
	if err != nil || n != len(words) {
		t.Fatalf("waiting for the words: %d bytes, %v", n, err)
	}
	word := func(i int) uint32 { return binary.BigEndian.Uint32(words[4*i:]) }
	told := passed{binary.BigEndian.Uint64(words[12:]), binary.BigEndian.Uint64(words[20:]), 0}
	if total := (passed{atomic.LoadUint64(&j.incoming), atomic.LoadUint64(&j.outgoing), 0}); told != total {
		t.Errorf("told of %v, counted %v", told, total)
	}
	reading, writing, ended = syscall.Errno(word(0)), syscall.Errno(word(1)), cleanEnds(word(2))
	if ended&endedBoth == endedBoth {
		if size != 0 {
			t.Error("a socket that is over came back")
		}
		return reading, writing, ended
	}
	messages, err := syscall.ParseSocketControlMessage(rights[:size])
	if err != nil || len(messages) != 1 {
		t.Fatalf("%d messages with the words, %v", len(messages), err)
	}
	sockets, err := syscall.ParseUnixRights(&messages[0])
	if err != nil || len(sockets) != 1 {
		t.Fatalf("%d descriptors with the words, %v", len(sockets), err)
	}
	j.lent = sockets[0]
	return reading, writing, ended
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
		j.SetReadDeadline(time.Now())
		if n, err := j.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("the caller was told something: %d bytes, %v", n, err)
		}

	})
}

func TestAJunctionPassesBothEndsOn(t *testing.T) {
	joined(t, func(t *testing.T, j *joint) {
		exchange(t, j.far, j.world, 1<<20)
		reading, writing, ended := j.parted(t)
		if reading != 0 || writing != 0 || ended != endedBoth {
			t.Fatalf("the kernel told %v and %v, ended %b", reading, writing, ended)
		}
		if in, out := j.c.ends(); in != stateClean || out != stateClean {
			t.Fatalf("ends %v and %v", in, out)
		}
		if n, err := j.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Fatalf("after the words: %d bytes, %v", n, err)
		}
	})
	joined(t, func(t *testing.T, j *joint) {
		exchange(t, j.world, j.far, 1)
		if _, _, ended := j.parted(t); ended != endedBoth|endedOutgoingFirst {
			t.Fatalf("ended %b", ended)
		}
	})
}

func TestAnEndWithoutAnAnswerComesToTheCaller(t *testing.T) {
	joined(t, func(t *testing.T, j *joint) {
		j.far.(halfCloser).CloseWrite()
		if _, err := j.world.Read(make([]byte, 1)); err != io.EOF {
			t.Fatalf("the socket's other end reads %v, want an end", err)
		}
		if reading, writing, ended := j.parted(t); reading != 0 || writing != 0 || ended != endedIncoming {
			t.Fatalf("the kernel told %v and %v, ended %b", reading, writing, ended)
		}
		if n, err := j.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Fatalf("after the words: %d bytes, %v", n, err)
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
		if _, _, ended := j.parted(t); ended != endedOutgoing|endedOutgoingFirst {
			t.Fatalf("ended %b", ended)
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
		if reading, writing, ended := j.parted(t); reading != 0 || writing != 0 || ended&endedIncoming != 0 {
			t.Fatalf("the kernel told %v and %v, ended %b", reading, writing, ended)
		}
		own := j.own(t)
		passed := j.c.joined().incoming
		go func() {
			io.CopyN(own, j, int64(len(there))-int64(passed))
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
		if reading, writing, ended := j.parted(t); reading != 0 || writing != 0 || ended != 0 {
			t.Fatalf("the kernel told %v and %v, ended %b", reading, writing, ended)
		}
		own := j.own(t)
		go io.Copy(own, j)
		go io.Copy(j, own)
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
			t.Fatalf("after the words: %d bytes, %v", n, err)
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
	near, _ := l.connectAs(t, true, (*connection).hold)
	lent, _ := loopback(t)
	defer syscall.Close(lent)
	var total uint64
	for _, wrong := range []struct {
		name     string
		fd       int
		incoming *uint64
		want     error
	}{
		{"no total", lent, nil, syscall.EINVAL},
		{"no descriptor", -1, &total, syscall.EBADF},
	} {
		if err := near.c.join(wrong.fd, wrong.incoming, &total); !errors.Is(err, wrong.want) {
			t.Errorf("%s: %v, want %v", wrong.name, err, wrong.want)
		}
	}
	syscall.SetNonblock(lent, false)
	if err := near.c.join(lent, &total, &total); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("a socket that blocks: %v", err)
	}
	syscall.SetNonblock(lent, true)
	if err := near.c.flow(); err != nil {
		t.Fatal(err)
	}
	if err := near.c.join(lent, &total, &total); !errors.Is(err, syscall.EBADF) {
		t.Errorf("one whose bytes flow: %v", err)
	}
	near.c.abort()
}
