package main

import (
	"context"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"tailscale.com/tsnet"
)

// dialFromPort dials from a port of the peer's choice.
func dialFromPort(ctx context.Context, peer *tsnet.Server, port uint16, to netip.AddrPort) (net.Conn, error) {
	ip, _ := peer.TailscaleIPs()
	local := tcpip.FullAddress{NIC: 1, Addr: tcpip.AddrFrom4(ip.As4()), Port: port}
	remote := tcpip.FullAddress{NIC: 1, Addr: tcpip.AddrFrom4(to.Addr().As4()), Port: to.Port()}
	return gonet.DialTCPWithBind(ctx, stackOf(peer), local, remote, ipv4.ProtocolNumber)
}

func TestAPortThatThisSideEndedIsTakenAgainSoon(t *testing.T) {
	const port = 40000
	l := newLink(t, nodeConfig{})
	to := netip.AddrPortFrom(l.n.ip, 7000)
	// Both know each other then.
	near, far := l.connect(t, true)
	exchange(t, near, far, 1)
	near.leave()

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	far, err := dialFromPort(ctx, l.peer, port, to)
	if err != nil {
		t.Fatal(err)
	}
	near = l.inbox.take(t, "accepted")
	exchange(t, near, far, 1) // near ends first
	far.Close()
	near.leave()

	// The stack keeps the port for timeWait; the peer tries after 1, 3 and 7 seconds.
	soon, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		far, err = dialFromPort(soon, l.peer, port, to)
		if err == nil {
			break
		}
		if soon.Err() != nil {
			t.Fatalf("the port is not taken again: %v", err)
		}
		time.Sleep(10 * time.Millisecond) // the peer's own side has not let go of it yet
	}
	defer far.Close()
	near = l.inbox.take(t, "accepted")
	if _, err := io.WriteString(far, "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(near, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	near.leave()
}
