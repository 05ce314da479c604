package main

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"net/netip"
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
