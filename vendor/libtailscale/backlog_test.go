package main

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"
)

// counted counts what a listener accepts.
type counted struct {
	net.Listener
	accepted atomic.Int64
}

func (l *counted) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		l.accepted.Add(1)
	}
	return conn, err
}

// manyAccepted has a peer connect many times to a listener whose caller takes nothing
// before toldTo returns. All are accepted meanwhile.
func manyAccepted(t *testing.T, toldTo func(ctx context.Context)) (inbox *box, conns []net.Conn) {
	t.Helper()
	tn := newTailnet(t)
	n := tn.node(t, nodeConfig{})
	peer, _ := tn.peer(t, "peer")
	listener, err := n.server.Listen("tcp", ":"+linkPort)
	if err != nil {
		t.Fatal(err)
	}
	ln := &counted{Listener: listener}
	inbox = n.ask(t, func(ctx context.Context, m *mailbox) error {
		m.hand = func([]byte) bool { toldTo(ctx); return false }
		return n.accept(ctx, m, "tcp", ln)
	})
	for range 100 {
		conn, err := peer.Dial(t.Context(), "tcp", net.JoinHostPort(n.ip.String(), linkPort))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conns = append(conns, conn)
	}
	eventually(t, "all are accepted", func() bool { return ln.accepted.Load() == int64(len(conns)) })
	return inbox, conns
}

// tsnet drops what is not accepted within a second.
func TestConnectionsAreAcceptedWhileTheCallerTakesItsTime(t *testing.T) {
	takes := make(chan struct{})
	inbox, conns := manyAccepted(t, func(context.Context) { <-takes })
	close(takes)
	for range conns {
		inbox.announced(t, "accepted")
	}
}

func TestAcceptedConnectionsEndWithTheMailboxWhereNobodyTookThem(t *testing.T) {
	inbox, conns := manyAccepted(t, func(ctx context.Context) { <-ctx.Done() })
	inbox.Close()
	for _, conn := range conns {
		conn.SetReadDeadline(time.Now().Add(patience))
		_, err := conn.Read(make([]byte, 1))
		if err == nil || err == io.EOF || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("one ends with %v", err)
		}
	}
}

// endless has connections without end, each with a number, until it is closed.
type endless struct {
	counted
	closed chan struct{}
}

type numbered struct {
	net.Conn
	number int64
}

func (l *endless) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
		return nil, net.ErrClosed
	default:
		return numbered{number: l.accepted.Add(1)}, nil
	}
}

func TestABacklogIsBoundedAndInOrder(t *testing.T) {
	ln := &endless{closed: make(chan struct{})}
	b := acceptAhead(ln)
	var want int64
	takeOne := func() error {
		conn, err := b.take()
		if err == nil {
			if want++; conn.(numbered).number != want {
				t.Fatalf("connection %d came, not %d", conn.(numbered).number, want)
			}
		}
		return err
	}
	// One more is accepted and waits for room.
	full := func() bool { return ln.accepted.Load() == want+backlogRoom+1 }
	eventually(t, "the backlog is full", full)
	for range 3 * backlogRoom {
		if err := takeOne(); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "it is full again", full)
	close(ln.closed)
	var end error
	for end == nil {
		end = takeOne()
	}
	if end != net.ErrClosed || want != ln.accepted.Load() {
		t.Errorf("%d of %d accepted connections came before the end, %v", want, ln.accepted.Load(), end)
	}
}
