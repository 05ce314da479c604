package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

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
