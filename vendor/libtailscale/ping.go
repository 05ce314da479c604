package main

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"tailscale.com/ipn/ipnstate"
	"tailscale.com/tailcfg"
)

// A ping is one packet a path, and any of them may be lost: how long the first is
// waited for before the next is sent, and how long the later ones at most.
const (
	firstPing = 500 * time.Millisecond
	lastPing  = 4 * time.Second
)

// ping asks a peer's node for a sign of life and tells which way it came.
func (n *node) ping(ctx context.Context, m *mailbox, address string) error {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return fail(kindBadAddress, err)
	}
	answer, err := n.pong(ctx, ip)
	if errors.Is(err, context.DeadlineExceeded) {
		return &failure{kindTimedOut, "pinging " + address + ": no answer in time"}
	}
	if err != nil {
		return err
	}
	if answer.Err != "" {
		return pingFailure(answer)
	}
	return m.send(pongMessage{
		Type:      "pong",
		LatencyUS: max(0, int64(answer.LatencySeconds*1e6)),
		Direct:    plainAddress(answer.Endpoint),
		Relay:     answer.DERPRegionCode,
		PeerRelay: answer.PeerRelay,
	})
}

// pong sends pings until one is answered.
func (n *node) pong(ctx context.Context, ip netip.Addr) (*ipnstate.PingResult, error) {
	client, err := n.running(ctx)
	if err != nil {
		return nil, err
	}
	for wait := firstPing; ; wait = min(2*wait, lastPing) {
		once, cancel := context.WithTimeout(ctx, wait)
		answer, err := client.Ping(once, ip, tailcfg.PingDisco)
		over := once.Err() != nil
		cancel()
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err == nil || !over:
			return answer, err
		}
	}
}

// pingFailure classifies a ping that was not sent; the library has texts only.
func pingFailure(answer *ipnstate.PingResult) error {
	switch {
	case answer.IsLocalIP:
		return &failure{kindBadAddress, answer.IP + " is this node's own address"}
	case answer.Err == "no matching peer", answer.Err == "unknown peer":
		return &failure{kindUnknownPeer, "nobody of this tailnet has the address " + answer.IP}
	default:
		return &failure{kindUnreachable, "pinging " + answer.IP + ": " + answer.Err}
	}
}
