package main

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// box is the caller's end of a mailbox.
type box struct{ *net.UnixConn }

func openBox(t *testing.T, fd int) *box {
	t.Helper()
	b := &box{openCaller(t, fd)}
	b.SetReadDeadline(time.Now().Add(patience))
	t.Cleanup(func() { b.Close() })
	return b
}

// openCaller wraps a descriptor of the caller's side.
func openCaller(t testing.TB, fd int) *net.UnixConn {
	t.Helper()
	file := os.NewFile(uintptr(fd), "caller")
	conn, err := net.FileConn(file)
	file.Close()
	if err != nil {
		t.Fatal(err)
	}
	return conn.(*net.UnixConn)
}

type message map[string]json.RawMessage

func (m message) text(key string) string {
	var s string
	json.Unmarshal(m[key], &s)
	return s
}

func (b *box) next() (message, error) {
	var size [4]byte
	if _, err := io.ReadFull(b, size[:]); err != nil {
		return nil, err
	}
	payload := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(b, payload); err != nil {
		return nil, err
	}
	var m message
	return m, json.Unmarshal(payload, &m)
}

// until reads on to a message of a type; an error message of another type fails.
func (b *box) until(t *testing.T, messageType string) message {
	t.Helper()
	for {
		m, err := b.next()
		if err != nil {
			t.Fatalf("waiting for %q: %v", messageType, err)
		}
		switch got := m.text("type"); got {
		case messageType:
			return m
		case "error":
			t.Fatalf("waiting for %q: error %s: %s", messageType, m.text("kind"), m.text("detail"))
		}
	}
}

func (b *box) failure(t *testing.T, want kind) string {
	t.Helper()
	m, err := b.next()
	if err != nil {
		t.Fatal(err)
	}
	if m.text("type") != "error" || m.text("kind") != string(want) {
		t.Fatalf("got %s %s %s, want an error of kind %s", m["type"], m["kind"], m["detail"], want)
	}
	b.eof(t)
	return m.text("detail")
}

func (b *box) eof(t *testing.T) {
	t.Helper()
	if m, err := b.next(); err != io.EOF {
		t.Fatalf("expected the mailbox's end, got %v, %v", m, err)
	}
}
