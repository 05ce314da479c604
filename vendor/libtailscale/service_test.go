package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"tailscale.com/client/local"
	"tailscale.com/net/tsaddr"
	"tailscale.com/tailcfg"
	"tailscale.com/tsnet"
)

const serviceName = "svc:web"

// hosted is a service with its addresses, as the control server has it.
type hosted struct {
	*tailnet
	addresses []netip.Addr
}

func newService(t *testing.T) *hosted {
	v4 := netip.MustParseAddr("100.127.0.1")
	return &hosted{newTailnet(t), []netip.Addr{v4, tsaddr.Tailscale4To6(v4)}}
}

// tag makes a node one that may host services.
func (h *hosted) tag(t *testing.T, n *seamNode) {
	h.change(t, n, func(node *tailcfg.Node) { node.Tags = []string{"tag:web"} })
	client := n.local(t)
	eventually(t, "the node is tagged", func() bool {
		status, err := client.StatusWithoutPeers(t.Context())
		return err == nil && len(listOf(status.Self.Tags)) == 1
	})
}

func (h *hosted) change(t *testing.T, n *seamNode, change func(node *tailcfg.Node)) {
	for _, node := range h.control.AllNodes() {
		if node.Addresses[0].Addr() == n.ip {
			change(node)
			h.control.UpdateNode(node)
			return
		}
	}
	t.Fatalf("the control server does not know %v", n.ip)
}

// approve hands the service's addresses out to a node, or takes them back.
func (h *hosted) approve(t *testing.T, n *seamNode, yes bool) {
	given := tailcfg.NodeCapMap{}
	if yes {
		value, err := json.Marshal(tailcfg.ServiceIPMappings{serviceName: h.addresses})
		if err != nil {
			t.Fatal(err)
		}
		given[tailcfg.NodeAttrServiceHost] = []tailcfg.RawMessage{tailcfg.RawMessage(value)}
	}
	h.change(t, n, func(node *tailcfg.Node) { h.control.SetNodeCapMap(node.Key, given) })
}

// lead has peers send what is for the service to a node.
func (h *hosted) lead(t *testing.T, n *seamNode) {
	var routes []netip.Prefix
	for _, ip := range h.addresses {
		routes = append(routes, netip.PrefixFrom(ip, ip.BitLen()))
	}
	h.change(t, n, func(node *tailcfg.Node) { h.control.SetSubnetRoutes(node.Key, routes) })
}

// awaitRoute waits until a peer knows where the service is.
func (h *hosted) awaitRoute(t *testing.T, peer *tsnet.Server) {
	eventually(t, "the peer knows the service's route", func() bool {
		return peer.Sys().Dialer.Get().UseNetstackForIP(h.addresses[0])
	})
}

// watched waits in a watch mailbox for the service with so many addresses.
func (b *box) untilService(t *testing.T, want int) {
	t.Helper()
	for {
		var info nodeInfo
		if err := json.Unmarshal(b.until(t, "node")["node"], &info); err != nil {
			t.Fatal(err)
		}
		if got, hosted := info.Services[serviceName]; hosted && len(got) == want {
			return
		}
	}
}

func (n *seamNode) local(t *testing.T) *local.Client {
	client, err := n.server.LocalClient()
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// tryListen is openListen where it may fail.
func (n *seamNode) tryListen(t *testing.T, address string) *box {
	return n.ask(t, func(ctx context.Context, m *mailbox) error { return n.listen(ctx, m, "tcp", address) })
}

// dialService connects as soon as there is a listener; until then it is refused.
func dialService(t *testing.T, peer *tsnet.Server, at netip.AddrPort) net.Conn {
	t.Helper()
	var far net.Conn
	eventually(t, "the service is reached", func() bool {
		var err error
		far, err = peer.Dial(t.Context(), "tcp", at.String())
		return err == nil
	})
	t.Cleanup(func() { far.Close() })
	far.SetDeadline(time.Now().Add(patience))
	return far
}

func advertised(t *testing.T, n *seamNode) []string {
	prefs, err := n.local(t).GetPrefs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return prefs.AdvertiseServices
}

func TestAConnectionToAServiceIsLikeAnyOther(t *testing.T) {
	h := newService(t)
	n := h.node(t, nodeConfig{})
	peer, peerIP := h.peer(t, "peer")
	h.tag(t, n)
	events := n.ask(t, n.watch)
	inbox := n.openListen(t, serviceName+":80")
	events.untilService(t, 0)
	h.approve(t, n, true)
	events.untilService(t, 2)
	h.lead(t, n)
	h.awaitRoute(t, peer)

	for _, ip := range h.addresses {
		at := netip.AddrPortFrom(ip, 80)
		connect := func() (*stream, net.Conn) {
			far := dialService(t, peer, at)
			return inbox.take(t, "accepted"), far
		}
		// Each side ends first once; the other one still says all it has to say.
		for _, nearFirst := range []bool{true, false} {
			near, far := connect()
			if ip.Is4() && near.c.remote.Addr() != peerIP || near.c.local != at {
				t.Errorf("from %v to %v", near.c.remote, near.c.local)
			}
			first, second := net.Conn(near), far
			if !nearFirst {
				first, second = far, near
			}
			ends(t, first, second, "question")
			ends(t, second, first, strings.Repeat("answer ", 1<<17))
			near.leave()
		}
		near, far := connect()
		near.c.abort()
		if _, err := far.Read(make([]byte, 1)); err == nil || err == io.EOF {
			t.Errorf("a reset is read as %v", err)
		}
	}
	inbox.Close()
	eventually(t, "the service is withdrawn", func() bool { return len(advertised(t, n)) == 0 })
	events.Close()
	n.shut(t)
	eventually(t, "nothing is left of it", func() bool {
		now := count()
		return now.nodes+now.mailboxes+now.connections+now.lingering == 0
	})
}

// ends says a text and its end, and has the other side read both.
func ends(t *testing.T, from, to net.Conn, text string) {
	t.Helper()
	go func() {
		io.WriteString(from, text)
		from.(interface{ CloseWrite() error }).CloseWrite()
	}()
	if got, err := io.ReadAll(to); err != nil || string(got) != text {
		t.Errorf("%d bytes and %v, want %d and an end", len(got), err, len(text))
	}
}

func TestAnOpenConnectionOutlivesTheServicesWithdrawal(t *testing.T) {
	h := newService(t)
	n := h.node(t, nodeConfig{})
	peer, _ := h.peer(t, "peer")
	h.tag(t, n)
	h.approve(t, n, true)
	h.lead(t, n)
	inbox := n.openListen(t, serviceName+":80")
	other := n.openListen(t, serviceName+":81")
	h.awaitRoute(t, peer)
	at := netip.AddrPortFrom(h.addresses[0], 80)
	far := dialService(t, peer, at)
	near := inbox.take(t, "accepted")
	inbox.Close()
	eventually(t, "the port is closed", func() bool {
		late, err := peer.Dial(t.Context(), "tcp", at.String())
		if err == nil {
			late.Close()
		}
		return err != nil
	})
	if names := advertised(t, n); len(names) != 1 || names[0] != serviceName {
		t.Errorf("with another port %v is advertised", names)
	}
	other.Close()
	eventually(t, "the service is withdrawn", func() bool { return len(advertised(t, n)) == 0 })
	ends(t, far, near, "still here")
	ends(t, near, far, "so am I")
	near.leave()
	eventually(t, "nothing is left of it", func() bool { return count().connections == 0 })
}

func TestWhatCannotBeHostedIsSaid(t *testing.T) {
	h := newService(t)
	n := h.node(t, nodeConfig{})
	for _, address := range []string{"svc:web", "svc::80", "svc:a.b:80", "svc:web:0", "svc:web:65536", "svc:web:http", "svc:"} {
		n.tryListen(t, address).failure(t, kindBadAddress)
	}
	n.tryListen(t, serviceName+":80").failure(t, kindNotTagged)
	h.tag(t, n)
	first := n.openListen(t, serviceName+":80")
	n.tryListen(t, serviceName+":80").failure(t, kindPortInUse)
	first.Close()
	eventually(t, "the port can be had again", func() bool {
		b := n.tryListen(t, serviceName+":80")
		defer b.Close()
		m, err := b.next()
		return err == nil && m.text("type") == "listening"
	})
}

func TestAServiceOfAnEarlierRunIsForgotten(t *testing.T) {
	h := newService(t)
	n := h.node(t, nodeConfig{})
	client := n.local(t)
	old := services{ports: map[tailcfg.ServiceName]map[uint16]bool{serviceName: {80: true}}}
	if err := client.SetServeConfig(t.Context(), old.taken()); err != nil {
		t.Fatal(err)
	}
	if err := clearServices(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	config, err := client.GetServeConfig(t.Context())
	if err != nil || config != nil && len(config.Services) > 0 {
		t.Errorf("still there: %v, %v", config, err)
	}
}
