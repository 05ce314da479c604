package main

// The nodes of the tailnet: who they are, and what an administrator does to them.

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"tailscale.com/net/tsaddr"
	"tailscale.com/tailcfg"
	"tailscale.com/types/key"
	"tailscale.com/util/dnsname"
)

// nodes is the table of nodes. Ids, and with them addresses, are never given twice.
type nodes struct {
	inside *inside
	domain string

	mu        sync.Mutex
	lastID    tailcfg.NodeID
	ephemeral map[key.NodePublic]bool
	blackHole map[key.NodePublic]bool
	polls     map[*poll]struct{}
}

func newNodes(in *inside, domain string) *nodes {
	return &nodes{
		inside:    in,
		domain:    domain,
		ephemeral: make(map[key.NodePublic]bool),
		blackHole: make(map[key.NodePublic]bool),
		polls:     make(map[*poll]struct{}),
	}
}

// get returns a copy of a node, nil when there is none with this key.
func (t *nodes) get(k key.NodePublic) *tailcfg.Node {
	return t.inside.server.Node(k)
}

// join adds a node with the next id, its addresses and a name that no other has.
func (t *nodes) join(machine key.MachinePublic, nodeKey key.NodePublic, info *tailcfg.Hostinfo, version tailcfg.CapabilityVersion) *tailcfg.Node {
	if info == nil {
		info = new(tailcfg.Hostinfo)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lastID++
	id := t.lastID
	v4 := netip.AddrFrom4([4]byte{100, 64, byte(id >> 8), byte(id)})
	addresses := []netip.Prefix{
		netip.PrefixFrom(v4, 32),
		netip.PrefixFrom(tsaddr.Tailscale4To6(v4), 128),
	}
	node := &tailcfg.Node{
		ID:                id,
		StableID:          tailcfg.StableNodeID(fmt.Sprintf("node-%d", id)),
		Name:              t.freeName(info.Hostname),
		User:              tailcfg.UserID(id),
		Key:               nodeKey,
		Machine:           machine,
		MachineAuthorized: true,
		Addresses:         addresses,
		AllowedIPs:        addresses,
		Hostinfo:          info.View(),
		Created:           time.Now().UTC(),
		Cap:               version,
		// There is one relay, so a node's home is known before it says so. A peer
		// that dialed it meanwhile would have nowhere to send, and WireGuard asks
		// again only after 5 s.
		HomeDERP: derpRegion,
		Tags:     slices.Clone(info.RequestTags),
		// Looking for a captive portal means asking hosts on the internet.
		Capabilities: []tailcfg.NodeCapability{tailcfg.NodeAttrDisableCaptivePortalDetection},
	}
	t.inside.mu.Lock()
	name := fmt.Sprintf("user-%d", id)
	t.inside.users[nodeKey] = &tailcfg.User{ID: node.User, DisplayName: name}
	t.inside.logins[nodeKey] = &tailcfg.Login{ID: tailcfg.LoginID(id), Provider: "test", LoginName: name + "@" + t.domain, DisplayName: name}
	t.inside.mu.Unlock()
	t.put(node)
	return node
}

// freeName is the DNS name for a host name: the second "box" is "box-1".
func (t *nodes) freeName(hostname string) string {
	label := dnsname.SanitizeHostname(hostname)
	if label == "" {
		label = "node"
	}
	taken := make(map[string]bool)
	for _, n := range t.inside.server.AllNodes() {
		taken[n.Name] = true
	}
	name := label + "." + t.domain + "."
	for i := 1; taken[name]; i++ {
		name = fmt.Sprintf("%s-%d.%s.", label, i, t.domain)
	}
	return name
}

// addBlackHole adds a peer that looks alive and answers nothing.
func (t *nodes) addBlackHole() *tailcfg.Node {
	nodeKey := key.NewNode().Public()
	n := t.join(key.NewMachine().Public(), nodeKey, &tailcfg.Hostinfo{Hostname: "black-hole"}, tailcfg.CurrentCapabilityVersion)
	n.DiscoKey = key.NewDisco().Public()
	t.mu.Lock()
	t.blackHole[nodeKey] = true
	t.mu.Unlock()
	t.put(n)
	return n
}

// put stores a node, known or new, and has everybody told.
func (t *nodes) put(n *tailcfg.Node) {
	t.inside.server.UpdateNode(n)
}

// rotate gives a node another key; the old one is nobody's afterwards.
func (t *nodes) rotate(n *tailcfg.Node, to key.NodePublic) *tailcfg.Node {
	from := n.Key
	n = n.Clone()
	n.Key = to
	n.KeyExpiry, n.Expired = time.Time{}, false
	t.inside.mu.Lock()
	t.inside.users[to], t.inside.logins[to] = t.inside.users[from], t.inside.logins[from]
	t.inside.mu.Unlock()
	t.setEphemeral(to, t.isEphemeral(from))
	t.forget(from)
	t.put(n)
	return n
}

// expire makes a node's key count as expired since a minute ago, or never to expire.
func (t *nodes) expire(n *tailcfg.Node, expired bool) {
	n.KeyExpiry, n.Expired = time.Time{}, expired
	if expired {
		n.KeyExpiry = time.Now().Add(-time.Minute).UTC()
	}
	t.put(n)
}

// remove deletes a node: its map poll ends, and the others are told.
func (t *nodes) remove(n *tailcfg.Node) {
	t.forget(n.Key)
	t.cutPolls(func(k key.NodePublic) bool { return k == n.Key })
	rest := t.inside.server.AllNodes()
	if len(rest) == 1 {
		// A map response without peers means "no news" to a node. One that has
		// lost its last peer learns of it only by a new poll.
		t.cutPolls(func(key.NodePublic) bool { return true })
	} else if len(rest) > 1 {
		t.put(rest[0])
	}
}

func (t *nodes) forget(k key.NodePublic) {
	t.inside.mu.Lock()
	delete(t.inside.nodes, k)
	delete(t.inside.users, k)
	delete(t.inside.logins, k)
	t.inside.mu.Unlock()
	t.mu.Lock()
	delete(t.ephemeral, k)
	delete(t.blackHole, k)
	t.mu.Unlock()
}

func (t *nodes) setEphemeral(k key.NodePublic, yes bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ephemeral[k] = yes
}

func (t *nodes) isEphemeral(k key.NodePublic) bool {
	return t.stateOf(k).ephemeral
}

// nodeState is what is known of a node besides its entry in the map.
type nodeState struct {
	polling, ephemeral, blackHole bool
}

func (t *nodes) stateOf(k key.NodePublic) nodeState {
	t.mu.Lock()
	defer t.mu.Unlock()
	state := nodeState{ephemeral: t.ephemeral[k], blackHole: t.blackHole[k]}
	for p := range t.polls {
		state.polling = state.polling || p.node == k
	}
	return state
}

// owner returns the user whose node it is.
func (t *nodes) owner(k key.NodePublic) (tailcfg.User, tailcfg.Login) {
	t.inside.mu.Lock()
	defer t.inside.mu.Unlock()
	return *t.inside.users[k], *t.inside.logins[k]
}

// find returns the node that an administrator calls name.
func (t *nodes) find(name string) *tailcfg.Node {
	name = strings.TrimSuffix(name, ".")
	for _, n := range t.inside.server.AllNodes() {
		full := strings.TrimSuffix(n.Name, ".")
		label, _, _ := strings.Cut(full, ".")
		if name == label || name == full || name == n.Key.String() {
			return n
		}
	}
	return nil
}

// expiredAt says whether a node's key is expired at a time.
func expiredAt(n *tailcfg.Node, now time.Time) bool {
	return n.Expired || !n.KeyExpiry.IsZero() && n.KeyExpiry.Before(now)
}
