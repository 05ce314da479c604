package main

import (
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"tailscale.com/tailcfg"
)

// ask opens a mailbox for a question.
func (n *seamNode) ask(t *testing.T, question func(ctx context.Context, m *mailbox) error) *box {
	t.Helper()
	fd, err := n.openMailbox(question)
	if err != nil {
		t.Fatal(err)
	}
	return openBox(t, fd)
}

func (n *seamNode) openWhois(t *testing.T, address string) *box {
	t.Helper()
	return n.ask(t, func(ctx context.Context, m *mailbox) error { return n.whois(ctx, m, address) })
}

func (n *seamNode) openPing(t *testing.T, address string, limit time.Duration) *box {
	t.Helper()
	return n.ask(t, func(ctx context.Context, m *mailbox) error {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return n.ping(ctx, m, address)
	})
}

// read decodes a message into a type of message.go.
func read[M any](t *testing.T, m message) (into M) {
	t.Helper()
	whole, err := json.Marshal(m)
	if err == nil {
		err = json.Unmarshal(whole, &into)
	}
	if err != nil {
		t.Fatal(err)
	}
	return into
}

// tag gives the node of an address a tag, as an admin does.
func (tn *tailnet) tag(t *testing.T, ip netip.Addr, tag string) {
	t.Helper()
	for _, known := range tn.control.AllNodes() {
		if known.Addresses[0].Addr() == ip {
			known.Tags = []string{tag}
			tn.control.UpdateNode(known)
			return
		}
	}
	t.Fatalf("control has no node %v", ip)
}

func TestAnAddressIsSomebody(t *testing.T) {
	tn := newTailnet(t)
	n := tn.node(t, nodeConfig{})
	_, ip := tn.peer(t, "peer")
	tn.control.SetGlobalAppCaps(tailcfg.PeerCapMap{"example.com/cap/door": {`{"open":true}`}})
	watch := n.ask(t, n.watch)

	var who whoisMessage
	eventually(t, "the peer and its capability are known", func() bool {
		box := n.openWhois(t, net.JoinHostPort(ip.String(), "4711"))
		defer box.Close()
		m, err := box.next()
		if err != nil {
			t.Fatal(err)
		}
		if m.text("kind") == string(kindUnknownPeer) {
			return false
		}
		who = read[whoisMessage](t, m)
		return len(who.Capabilities["example.com/cap/door"]) > 0
	})
	if who.Name != "peer" || who.DNSName != "peer.tailnet.test" || who.Login == "" || len(who.Tags) != 0 || who.Addresses[0] != ip {
		t.Errorf("%+v", who)
	}
	if values := who.Capabilities["example.com/cap/door"]; len(values) != 1 || string(values[0]) != `{"open":true}` {
		t.Errorf("capabilities %s", values)
	}

	watch.until(t, "peers") // the peers as they are
	tn.tag(t, ip, "tag:server")
	for who.Login != "" {
		watch.until(t, "peers")
		box := n.openWhois(t, ip.String())
		who = read[whoisMessage](t, box.until(t, "whois"))
		box.eof(t)
	}
	if who.DisplayName != "" || len(who.Tags) != 1 || who.Tags[0] != "tag:server" {
		t.Errorf("a tagged node is %+v", who)
	}

	n.openWhois(t, "100.64.99.99").failure(t, kindUnknownPeer)
	n.openWhois(t, "127.0.0.1:80").failure(t, kindUnknownPeer)
	n.openWhois(t, "peer").failure(t, kindBadAddress)
}

func TestAStatusHasTheNodeAndEveryPeer(t *testing.T) {
	tn := newTailnet(t)
	n := tn.node(t, nodeConfig{})
	peers := make(map[string]netip.Addr)
	for _, name := range []string{"one", "two", "three"} {
		_, peers[name] = tn.peer(t, name)
	}
	tn.tag(t, peers["two"], "tag:server")
	eventually(t, "all peers are known, one by its tag", func() bool {
		box := n.ask(t, n.status)
		defer box.Close()
		own := read[ownMessage](t, box.until(t, "own"))
		if own.State != "Running" || own.Node.Hostname != "node" || own.User == "" || own.Node.Addresses[0] != n.ip {
			t.Fatalf("own %+v", own)
		}
		var names []string
		tagged := false
		for {
			m, err := box.next()
			if err != nil {
				t.Fatal(err)
			}
			if m.text("type") == "complete" {
				if got := read[completeMessage](t, m).Peers; got != len(names) {
					t.Fatalf("%d peers are %d", len(names), got)
				}
				box.eof(t)
				return tagged && strings.Join(names, " ") == "one three two"
			}
			peer := read[peerMessage](t, m)
			names = append(names, peer.Name)
			if peer.Addresses[0] != peers[peer.Name] || peer.DNSName != peer.Name+".tailnet.test" {
				t.Fatalf("peer %+v", peer)
			}
			tagged = tagged || len(peer.Tags) == 1 && peer.Tags[0] == "tag:server" && peer.User == ""
		}
	})
}

func TestAPingTellsTheWay(t *testing.T) {
	l := newLink(t, nodeConfig{})
	pong := read[pongMessage](t, l.n.openPing(t, l.peerIP.String(), patience).until(t, "pong"))
	if pong.LatencyUS <= 0 || (pong.Direct == "") == (pong.Relay == "") {
		t.Errorf("%+v", pong)
	}
	l.n.openPing(t, l.n.ip.String(), patience).failure(t, kindBadAddress)
	l.n.openPing(t, "100.64.99.99", patience).failure(t, kindUnknownPeer)
	l.n.openPing(t, "peer", patience).failure(t, kindBadAddress)
	vanish(l.peer)
	l.n.openPing(t, l.peerIP.String(), 300*time.Millisecond).failure(t, kindTimedOut)
}

func TestAQuestionEndsWithItsMailbox(t *testing.T) {
	l := newLink(t, nodeConfig{})
	vanish(l.peer)
	box := l.n.openPing(t, l.peerIP.String(), time.Hour)
	eventually(t, "the ping is under way", func() bool { return stackHas("(*node).pong(") })
	box.Close()
	eventually(t, "no ping is left", func() bool { return !stackHas("(*node).pong(") })
	l.inbox.Close()
	eventually(t, "no mailbox is left", func() bool { return count().mailboxes == 0 })
}

var whoisAddresses = property{
	"addresses to ask about", 1,
	[]string{"100.64.0.1", "100.64.0.1:22", "fd7a:115c:a1e0::1", "[fd7a:115c:a1e0::1]:22", "fe80::1%eth0", "peer", "100.64.0.1:", "[::1", ""},
	func(t testing.TB, text string) {
		if err := checkWhoisAddress(text); err != nil {
			if f := failureOf(err); f.kind != kindBadAddress {
				t.Errorf("%q is %v", text, f)
			}
		}
		plain := plainAddress(text)
		if _, err := netip.ParseAddrPort(plain); plain != "" && err != nil || strings.Contains(plain, "%") {
			t.Errorf("%q is %q", text, plain)
		}
	},
}
