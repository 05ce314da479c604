package main

import (
	"errors"
	"io"
	"net"
	"testing"
)

// isBroken reports whether a write fails for another reason than a deadline.
func isBroken(conn net.Conn) bool {
	_, err := conn.Write([]byte("late"))
	var timeout net.Error
	return err != nil && !(errors.As(err, &timeout) && timeout.Timeout())
}

func TestASocketThatIsNotTakenBackIsResetWithItsConnection(t *testing.T) {
	joined(t, func(t *testing.T, j *joint) {
		j.far.(halfCloser).CloseWrite() // and no answer
		j.partings.until(t, "parted")
		j.c.abort()
		if _, err := io.Copy(io.Discard, j.world); err != nil {
			t.Errorf("before the reset: %v", err) // the end has come before
		}
		eventually(t, "the socket's other end is reset", func() bool { return isBroken(j.world) })
	})
}

func TestAJunctionOfWhichNobodyHearsIsReset(t *testing.T) {
	joined(t, func(t *testing.T, j *joint) {
		j.partings.Close()
		j.world.CloseWrite() // and no answer
		if _, err := io.Copy(io.Discard, j.far); err != nil {
			t.Errorf("before the reset: %v", err)
		}
		eventually(t, "the peer is reset", func() bool { return isBroken(j.far) })
	})
}

func TestANewerMailboxOfPartingsReplacesTheOlder(t *testing.T) {
	l := newLink(t, nodeConfig{})
	older, newer := l.n.openPartings(t), l.n.openPartings(t)
	older.eof(t)
	l.n.shut(t)
	newer.eof(t)
}
