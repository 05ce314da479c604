package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"net/http/httptest"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"tailscale.com/net/netns"
	"tailscale.com/tailcfg"
	"tailscale.com/tsnet"
	"tailscale.com/tstest/integration"
	"tailscale.com/tstest/integration/testcontrol"
	"tailscale.com/types/logger"
)

// patience bounds every wait of these tests: long enough for a slow machine
// under the race detector.
const patience = 60 * time.Second

// tailnet is a private tailnet on loopback: control, DERP and STUN.
type tailnet struct {
	control *testcontrol.Server
	url     string
}

func newTailnet(t *testing.T) *tailnet {
	t.Helper()
	environment{}.apply()
	netns.SetEnabled(false)
	control := &testcontrol.Server{
		DERPMap:        integration.RunDERPAndSTUN(t, logger.Discard, "127.0.0.1"),
		DNSConfig:      &tailcfg.DNSConfig{Proxied: true},
		MagicDNSDomain: "tailnet.test",
		Logf:           logger.Discard,
	}
	control.HTTPTestServer = httptest.NewServer(control)
	t.Cleanup(func() {
		control.HTTPTestServer.CloseClientConnections()
		control.HTTPTestServer.Close()
	})
	return &tailnet{control: control, url: control.HTTPTestServer.URL}
}

// peer is a node that knows nothing of the seam: tsnet as it is, but that it leaves no
// segments behind, which in one process would come to a node that is tested.
func (tn *tailnet) peer(t *testing.T, name string) (*tsnet.Server, netip.Addr) {
	t.Helper()
	s := &tsnet.Server{Dir: t.TempDir(), Hostname: name, ControlURL: tn.url, Logf: logger.Discard, UserLogf: logger.Discard}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	status, err := s.Up(ctx)
	if err != nil {
		t.Fatalf("peer %s: %v", name, err)
	}
	t.Cleanup(func() { s.Close() })
	if err := flushWhole(s); err != nil {
		t.Fatal(err)
	}
	return s, status.TailscaleIPs[0]
}

// seamNode is a node driven as the caller drives it: by descriptors.
type seamNode struct {
	*node
	ip netip.Addr
}

func (tn *tailnet) node(t *testing.T, config nodeConfig) *seamNode {
	t.Helper()
	config.Dir, config.ControlURL = t.TempDir(), tn.url
	if config.Hostname == "" {
		config.Hostname = "node"
	}
	fd, n, err := startNode(config)
	if err != nil {
		t.Fatal(err)
	}
	reader := openBox(t, fd)
	running := reader.until(t, "running")
	var info nodeInfo
	if err := json.Unmarshal(running["node"], &info); err != nil || len(info.Addresses) == 0 {
		t.Fatalf("running without an address: %s, %v", running["node"], err)
	}
	reader.eof(t)
	sn := &seamNode{node: n, ip: info.Addresses[0]}
	t.Cleanup(func() { sn.shut(t) })
	return sn
}

// shut closes the node unless the test already has.
func (n *seamNode) shut(t *testing.T) {
	if takeNode(n.handle) == nil {
		return
	}
	fd, err := closeNode(n.node)
	if err != nil {
		t.Fatal(err)
	}
	box := openBox(t, fd)
	if closed := box.until(t, "closed"); string(closed["abandoned"]) != `""` {
		t.Errorf("close left something behind: %s", closed["abandoned"])
	}
	box.eof(t)
}

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

func (n *seamNode) openListen(t *testing.T, address string) *box {
	t.Helper()
	return n.openListenOn(t, "tcp", address)
}

func (n *seamNode) openListenOn(t *testing.T, network, address string) *box {
	t.Helper()
	b := n.ask(t, func(ctx context.Context, m *mailbox) error { return n.listen(ctx, m, network, address) })
	b.until(t, "listening")
	return b
}

func (n *seamNode) openDial(t *testing.T, address string, limit time.Duration) *box {
	t.Helper()
	return n.openDialOn(t, "tcp", address, limit)
}

func (n *seamNode) openDialOn(t *testing.T, network, address string, limit time.Duration) *box {
	t.Helper()
	return n.ask(t, func(ctx context.Context, m *mailbox) error {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return n.dial(ctx, m, network, address)
	})
}

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

// eventually waits for a condition that has no event of its own.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Fatalf("never: %s\n%s", what, buf[:runtime.Stack(buf, true)])
		}
		time.Sleep(5 * time.Millisecond)
	}
}
