package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestALogThatNobodyReadsHoldsNothingUp(t *testing.T) {
	var fds [2]int
	if err := unix.Pipe(fds[:]); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[0])
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	own, err := duplicate(fds[1])
	if err != nil {
		t.Fatal(err)
	}
	before := logs.dropped.Load()
	also := copyLog(ctx, own)
	long := strings.Repeat("x", 1000)
	for range 2 * logBacklog {
		also(long)
	}
	if logs.dropped.Load() == before {
		t.Error("nothing was dropped")
	}
	if blocking, _ := flags(t, fds[1]); !blocking {
		t.Error("the caller's descriptor is not as it was")
	}
	var line [1001]byte
	for got := 0; got < len(line); {
		n, err := unix.Read(fds[0], line[got:])
		if err != nil {
			t.Fatal(err)
		}
		got += n
	}
	if string(line[:]) != long+"\n" {
		t.Errorf("the first line is %q", line)
	}
	cancel()
	eventually(t, "the writer has ended", func() bool { return !stackHas("copyLog.func") })
	if _, err := duplicate(-2); err == nil {
		t.Error("a descriptor that is none was taken")
	}
}

func TestLogLinesOfANodeGoToItsDescriptor(t *testing.T) {
	var fds [2]int
	if err := unix.Pipe(fds[:]); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[0])
	tn := newTailnet(t)
	u := tn.upstream(t, "up")
	if err := u.setLogFD(fds[1]); err != nil {
		t.Fatal(err)
	}
	unix.Close(fds[1]) // a duplicate was taken
	read := make(chan string)
	go func() {
		var all strings.Builder
		for buf := make([]byte, 4096); ; {
			n, err := unix.Read(fds[0], buf)
			if n <= 0 || err != nil {
				break
			}
			all.Write(buf[:n])
		}
		read <- all.String()
	}()
	u.connect(t).shut(t)
	select {
	case text := <-read: // and the end, so the duplicate is closed
		if !strings.Contains(text, "tsnet") {
			t.Errorf("the log is %q", text)
		}
	case <-time.After(patience):
		t.Fatal("the log's descriptor is still open")
	}
}
