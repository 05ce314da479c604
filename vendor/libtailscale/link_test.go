package main

import (
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"testing"
	"time"

	"tailscale.com/tsnet"
)

// stream is the caller's end of a claimed connection.
type stream struct {
	*net.UnixConn
	c *connection
}

func (b *box) take(t *testing.T, messageType string) *stream {
	t.Helper()
	return b.announced(t, messageType).claimed(t)
}

// claimed claims it.
func (c *connection) claimed(t *testing.T) *stream {
	t.Helper()
	fd, err := c.claim()
	if err != nil {
		t.Fatal(err)
	}
	s := &stream{c: c}
	s.begin(t, fd)
	return s
}

// announced is the connection that the next message tells of.
func (b *box) announced(t *testing.T, messageType string) *connection {
	t.Helper()
	m := b.until(t, messageType)
	var id uint64
	if err := json.Unmarshal(m["id"], &id); err != nil {
		t.Fatal(err)
	}
	c, ok := findConnection(id).(*connection)
	if !ok {
		t.Fatalf("connection %d is not known", id)
	}
	return c
}

// begin begins to use the descriptor of its bytes.
func (s *stream) begin(t *testing.T, fd int) {
	t.Helper()
	s.UnixConn = openCaller(t, fd)
	s.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { s.Close() })
}

// leave is what the caller's destructor does after a clean end.
func (s *stream) leave() {
	s.Close()
	s.c.release()
}

// link makes connections between a seam node and a stock peer, in either role.
type link struct {
	tailnet *tailnet
	n       *seamNode
	peer    *tsnet.Server
	peerIP  netip.Addr
	inbox   *box         // of the node's listener
	far     net.Listener // of the peer
}

const linkPort = "7000"

func newLink(t *testing.T, config nodeConfig) *link {
	t.Helper()
	tn := newTailnet(t)
	l := &link{tailnet: tn, n: tn.node(t, config)}
	l.peer, l.peerIP = tn.peer(t, "peer")
	l.inbox = l.n.openListen(t, ":"+linkPort)
	var err error
	if l.far, err = l.peer.Listen("tcp", ":"+linkPort); err != nil {
		t.Fatal(err)
	}
	return l
}

// connect makes one connection: accepted by the seam node, or dialed by it.
func (l *link) connect(t *testing.T, accepted bool) (*stream, net.Conn) {
	t.Helper()
	var near *stream
	far := l.connectAs(t, accepted, func(c *connection) { near = c.claimed(t) })
	return near, far
}

// connectAs is connect with another way to take the connection.
func (l *link) connectAs(t *testing.T, accepted bool, take func(c *connection)) net.Conn {
	t.Helper()
	var far net.Conn
	var err error
	if accepted {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		far, err = l.peer.Dial(ctx, "tcp", net.JoinHostPort(l.n.ip.String(), linkPort))
		take(l.inbox.announced(t, "accepted"))
	} else {
		box := l.n.openDial(t, net.JoinHostPort(l.peerIP.String(), linkPort), patience)
		take(box.announced(t, "dialed"))
		box.eof(t)
		far, err = l.far.Accept()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	return far
}

// inBothRoles runs a test over an accepted and over a dialed connection.
func (l *link) inBothRoles(t *testing.T, test func(t *testing.T, near *stream, far net.Conn)) {
	for _, role := range []string{"accepted", "dialed"} {
		t.Run(role, func(t *testing.T) {
			near, far := l.connect(t, role == "accepted")
			far.SetDeadline(time.Now().Add(patience))
			test(t, near, far)
		})
	}
}
