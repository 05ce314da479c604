package main

// Nodes join, reach each other, and leave.

import (
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"tailscale.com/ipn"
	"tailscale.com/tsnet"
)

func TestTwoNodesReachEachOtherByNameAndByBothAddresses(t *testing.T) {
	tn := startTailnet(t)
	began := time.Now()
	alice := upNode(t, tn, "alice")
	bob := upNode(t, tn, "bob")
	t.Logf("two nodes, one after the other, were up after %v", time.Since(began).Round(time.Millisecond))
	serveEcho(t, bob)
	awaitReachable(t, tn, "alice", "bob")

	addresses := nodeLines(t, tn)["bob"].Addresses
	if len(addresses) != 2 {
		t.Fatalf("bob has the addresses %v", addresses)
	}
	for _, host := range []string{"bob", "bob.tailnet.test", addresses[0].String(), addresses[1].String()} {
		echo(t, alice, host)
		t.Logf("%s answered %v after the start", host, time.Since(began).Round(time.Millisecond))
	}
}

func TestASecondNodeOfTheSameNameGetsAnother(t *testing.T) {
	tn := startTailnet(t)
	upNode(t, tn, "box")
	upNode(t, tn, "box")
	lines := nodeLines(t, tn)
	if lines["box"].ID == 0 || lines["box-1"].ID == 0 {
		t.Fatalf("nodes: %v", lines)
	}
}

func TestARestartWithItsStateNeedsNoKeyAndKeepsTheAddress(t *testing.T) {
	tn := startTailnet(t)
	first := upNode(t, tn, "box")
	before, _ := first.TailscaleIPs()
	first.Close()

	again := newNode(t, tn, "box")
	again.Dir, again.AuthKey = first.Dir, ""
	up(t, again)
	if after, _ := again.TailscaleIPs(); after != before {
		t.Fatalf("address %v became %v", before, after)
	}
}

func TestAnEphemeralNodeIsGoneAfterItsLogout(t *testing.T) {
	tn := startTailnet(t)
	upNode(t, tn, "stays")
	s := newNode(t, tn, "passes")
	s.Ephemeral = true
	up(t, s)
	if !nodeLines(t, tn)["passes"].Ephemeral {
		t.Fatal("the node is not known as ephemeral")
	}
	client, err := s.LocalClient()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Logout(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the node is gone", func() bool { _, there := nodeLines(t, tn)["passes"]; return !there })
}

func TestADeletedNodeIsCutOffAndUnknownToItsPeers(t *testing.T) {
	tn := startTailnet(t)
	alice := upNode(t, tn, "alice")
	bob := upNode(t, tn, "bob")
	eventually(t, "alice knows bob", func() bool { return knows(t, alice, "bob") })
	before, _ := bob.TailscaleIPs()

	order(t, tn, "/delete?node=bob")
	if _, there := nodeLines(t, tn)["bob"]; there {
		t.Fatal("bob is still there")
	}
	eventually(t, "alice has forgotten bob", func() bool { return !knows(t, alice, "bob") })

	bob.Close()
	again := newNode(t, tn, "bob")
	again.Dir = bob.Dir
	if _, err := again.Up(within(t, patience)); err != nil {
		t.Fatalf("joining anew with a usable key: %v", err)
	}
	if after, _ := again.TailscaleIPs(); after == before {
		t.Fatalf("the address %v was given a second time", before)
	}
}

func TestAKeyThatExpiresIsSeenByTheNodeAndSoIsItsExtension(t *testing.T) {
	for _, which := range []string{"node=box", "all=true"} {
		t.Run(which, func(t *testing.T) {
			tn := startTailnet(t)
			s := upNode(t, tn, "box")
			order(t, tn, "/expire?"+which)
			watchUntil(t, s, "the expiry", inState(ipn.NeedsLogin))
			if line := nodeLines(t, tn)["box"]; !line.Expired || line.KeyExpiry == nil {
				t.Fatalf("the node is listed as %+v", line)
			}
			order(t, tn, "/extend?"+which)
			watchUntil(t, s, "the extension", inState(ipn.Running))
		})
	}
}

func TestADialToTheBlackHoleGetsNoAnswer(t *testing.T) {
	tn := startTailnet(t)
	order(t, tn, "/black-hole")
	alice := upNode(t, tn, "alice")
	eventually(t, "alice knows the black hole", func() bool { return knows(t, alice, "black-hole") })
	conn, err := alice.Dial(within(t, 1500*time.Millisecond), "tcp", "black-hole:22")
	if err == nil {
		conn.Close()
		t.Fatal("the black hole answered")
	}
	if !strings.Contains(err.Error(), "deadline") && !strings.Contains(err.Error(), "timeout") {
		t.Fatalf("the dial ended otherwise than by its timeout: %v", err)
	}
}

// awaitReachable waits until nodes can be dialed without a first packet being lost,
// which WireGuard repeats only after 5 s.
func awaitReachable(t *testing.T, tn *tailnet, names ...string) {
	t.Helper()
	for _, name := range names {
		eventually(t, name+" is reachable", func() bool {
			line := nodeLines(t, tn)[name]
			return line.Polling && line.AtRelay
		})
	}
}

// serveEcho has a node send back what it gets on port 7.
func serveEcho(t *testing.T, s *tsnet.Server) {
	t.Helper()
	listener, err := s.Listen("tcp", ":7")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				io.Copy(conn, conn)
			}()
		}
	}()
}

func echo(t *testing.T, from *tsnet.Server, host string) {
	t.Helper()
	conn, err := from.Dial(within(t, patience), "tcp", net.JoinHostPort(host, "7"))
	if err != nil {
		t.Fatalf("dialing %s: %v", host, err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	answer := make([]byte, 5)
	if _, err := io.WriteString(conn, "hello"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "hello" {
		t.Fatalf("%s answered %q, %v", host, answer, err)
	}
}

// knows says whether a node has a peer of that name.
func knows(t *testing.T, s *tsnet.Server, name string) bool {
	t.Helper()
	client, err := s.LocalClient()
	if err != nil {
		t.Fatal(err)
	}
	status, err := client.Status(within(t, patience))
	if err != nil {
		t.Fatal(err)
	}
	for _, peer := range status.Peer {
		if strings.HasPrefix(peer.DNSName, name+".") && len(peer.TailscaleIPs) > 0 && peer.TailscaleIPs[0] != (netip.Addr{}) {
			return true
		}
	}
	return false
}
