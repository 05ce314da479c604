package main

import (
	"cmp"
	"context"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"tailscale.com/ipn/ipnstate"
	"tailscale.com/tailcfg"
	"tailscale.com/types/views"
)

// status tells what the node knows of itself, then each of its peers by name.
func (n *node) status(ctx context.Context, m *mailbox) error {
	client, err := n.backend(ctx)
	if err != nil {
		return err
	}
	now, err := client.Status(ctx)
	if err != nil {
		return err
	}
	if err := m.send(n.ownOf(now)); err != nil {
		return nil // the caller has closed the mailbox
	}
	peers := slices.SortedFunc(maps.Values(now.Peer), func(a, b *ipnstate.PeerStatus) int {
		return cmp.Or(cmp.Compare(a.DNSName, b.DNSName), cmp.Compare(a.ID, b.ID))
	})
	// Such a peer only stands for someone a node is shared with.
	peers = slices.DeleteFunc(peers, func(p *ipnstate.PeerStatus) bool { return p.ShareeNode })
	for _, p := range peers {
		if err := m.send(peerOf(p, now.User)); err != nil {
			return nil
		}
	}
	return m.send(completeMessage{Type: "complete", Peers: len(peers)})
}

func (n *node) ownOf(now *ipnstate.Status) ownMessage {
	own := ownMessage{Type: "own", State: now.BackendState, Node: n.infoOf(now), Tags: []string{}}
	if now.CurrentTailnet != nil {
		own.Tailnet = now.CurrentTailnet.Name
	}
	if self := now.Self; self != nil {
		own.User, own.Tags, own.Relay = userOf(self, now.User), listOf(self.Tags), self.Relay
	}
	return own
}

func peerOf(p *ipnstate.PeerStatus, users map[tailcfg.UserID]tailcfg.UserProfile) peerMessage {
	peer := peerMessage{
		Type:      "peer",
		Name:      cmp.Or(firstLabel(p.DNSName), p.HostName),
		DNSName:   strings.TrimSuffix(p.DNSName, "."),
		Addresses: p.TailscaleIPs,
		Online:    p.Online,
		User:      userOf(p, users),
		Relay:     p.Relay,
		Direct:    plainAddress(p.CurAddr),
		PeerRelay: p.PeerRelay,
		Active:    p.Active,
		Tags:      listOf(p.Tags),
		Expired:   p.Expired,
		RxBytes:   max(0, p.RxBytes),
		TxBytes:   max(0, p.TxBytes),
	}
	if peer.Addresses == nil {
		peer.Addresses = []netip.Addr{}
	}
	if !p.LastSeen.IsZero() {
		peer.LastSeen = p.LastSeen.UTC().Format(time.RFC3339)
	}
	return peer
}

// userOf is the login name of a node's owner; a tagged node has none.
func userOf(p *ipnstate.PeerStatus, users map[tailcfg.UserID]tailcfg.UserProfile) string {
	if p.Tags != nil && p.Tags.Len() > 0 {
		return ""
	}
	return users[p.UserID].LoginName
}

func listOf(slice *views.Slice[string]) []string {
	if slice == nil || slice.Len() == 0 {
		return []string{}
	}
	return slice.AsSlice()
}

// plainAddress is an address and port without a zone, which means nothing
// elsewhere; empty when it is none.
func plainAddress(text string) string {
	address, err := netip.ParseAddrPort(text)
	if err != nil {
		return ""
	}
	return netip.AddrPortFrom(address.Addr().WithZone(""), address.Port()).String()
}
