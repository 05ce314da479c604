package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"

	"tailscale.com/client/local"
	"tailscale.com/tailcfg"
)

// whois tells who an address of the tailnet belongs to.
func (n *node) whois(ctx context.Context, m *mailbox, address string) error {
	if err := checkWhoisAddress(address); err != nil {
		return err
	}
	client, err := n.backend(ctx)
	if err != nil {
		return err
	}
	found, err := client.WhoIs(ctx, address)
	if errors.Is(err, local.ErrPeerNotFound) {
		if _, err := n.running(ctx); err != nil {
			return err // without a network map nobody is known
		}
		return &failure{kindUnknownPeer, "nobody of this tailnet has the address " + address}
	}
	if err != nil {
		return err
	}
	return m.send(whoisOf(found.Node, found.UserProfile, found.CapMap))
}

// checkWhoisAddress takes an IP, with or without a port.
func checkWhoisAddress(address string) error {
	if _, err := netip.ParseAddr(address); err == nil {
		return nil
	}
	if _, err := netip.ParseAddrPort(address); err == nil {
		return nil
	}
	return &failure{kindBadAddress, clip(address) + " is neither an IP nor an IP and a port"}
}

func whoisOf(n *tailcfg.Node, user *tailcfg.UserProfile, capabilities tailcfg.PeerCapMap) whoisMessage {
	m := whoisMessage{
		Type:         "whois",
		Name:         firstLabel(n.Name),
		DNSName:      strings.TrimSuffix(n.Name, "."),
		Tags:         n.Tags,
		Addresses:    make([]netip.Addr, 0, len(n.Addresses)),
		Capabilities: make(map[string][]json.RawMessage, len(capabilities)),
	}
	if m.Tags == nil {
		m.Tags = []string{}
	}
	// A tagged node is nobody's; the profile it comes with stands for all tags.
	if !n.IsTagged() {
		m.Login, m.DisplayName = user.LoginName, user.DisplayName
	}
	for _, prefix := range n.Addresses {
		m.Addresses = append(m.Addresses, prefix.Addr())
	}
	for name, values := range capabilities {
		list := make([]json.RawMessage, 0, len(values))
		for _, value := range values {
			list = append(list, json.RawMessage(value))
		}
		m.Capabilities[string(name)] = list
	}
	return m
}

// firstLabel is what comes before a name's first dot.
func firstLabel(name string) string {
	label, _, _ := strings.Cut(name, ".")
	return label
}
