package main

// Tailscale Services: what is defined, who may host it, and to which host its peers
// are led. Nothing of it happens by itself: a test is the administrator.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"tailscale.com/net/tsaddr"
	"tailscale.com/tailcfg"
	"tailscale.com/tstest/integration/testcontrol"
	"tailscale.com/types/key"
)

// servicesMax is how many can be defined: their addresses end with their number.
const servicesMax = 200

// services are those that a test has named, in the order of their definition.
type services struct {
	server *testcontrol.Server
	domain string

	mu   sync.Mutex
	list []*service
}

type service struct {
	name      tailcfg.ServiceName
	addresses []netip.Addr
	approved  map[key.NodePublic]bool
	host      key.NodePublic // whom peers are led to; zero: nobody
}

// define returns the service of a name; the first mention defines it, in DNS too.
func (s *services) define(name string) (*service, error) {
	svc := tailcfg.ServiceName(name)
	if err := svc.Validate(); err != nil {
		return nil, err
	}
	if at := slices.IndexFunc(s.list, func(one *service) bool { return one.name == svc }); at >= 0 {
		return s.list[at], nil
	}
	if len(s.list) == servicesMax {
		return nil, fmt.Errorf("more than %d services", servicesMax)
	}
	v4 := netip.AddrFrom4([4]byte{100, 127, 0, byte(len(s.list) + 1)})
	one := &service{
		name:      svc,
		addresses: []netip.Addr{v4, tsaddr.Tailscale4To6(v4)},
		approved:  make(map[key.NodePublic]bool),
	}
	s.list = append(s.list, one)
	for _, ip := range one.addresses {
		name := svc.WithoutPrefix() + "." + s.domain
		s.server.AddDNSRecords(tailcfg.DNSRecord{Name: name, Value: ip.String()})
	}
	return one, nil
}

// given is what a node is told that it may host.
func (s *services) given(node key.NodePublic) (tailcfg.NodeCapMap, error) {
	mappings := make(tailcfg.ServiceIPMappings)
	for _, one := range s.list {
		if one.approved[node] {
			mappings[one.name] = one.addresses
		}
	}
	value, err := json.Marshal(mappings)
	return tailcfg.NodeCapMap{tailcfg.NodeAttrServiceHost: {tailcfg.RawMessage(value)}}, err
}

// routes are the addresses that peers find behind a node, beside its own.
func (s *services) routes(node key.NodePublic) (routes []netip.Prefix) {
	for _, one := range s.list {
		if one.host == node {
			for _, ip := range one.addresses {
				routes = append(routes, netip.PrefixFrom(ip, ip.BitLen()))
			}
		}
	}
	return routes
}

// oneNode is the node that a request speaks of.
func (t *tailnet) oneNode(r *http.Request) (*tailcfg.Node, error) {
	if r.URL.Query().Has("all") {
		return nil, fmt.Errorf("node=NAME is missing")
	}
	nodes, err := t.named(r)
	if err != nil {
		return nil, err
	}
	return nodes[0], nil
}

// approve hands a service's addresses out to a node, or takes them back.
func (t *tailnet) approve(r *http.Request) (any, error) {
	s, query := &t.control.services, r.URL.Query()
	s.mu.Lock()
	defer s.mu.Unlock()
	node, err := t.oneNode(r)
	if err != nil {
		return nil, err
	}
	one, err := s.define(query.Get("service"))
	if err != nil {
		return nil, err
	}
	one.approved[node.Key] = query.Get("approved") != "false"
	given, err := s.given(node.Key)
	if err != nil {
		return nil, err
	}
	t.control.inside.server.SetNodeCapMap(node.Key, given)
	return answer{"addresses": one.addresses}, nil
}

// lead sends a service's peers to a node, and to no other.
func (t *tailnet) lead(r *http.Request) (any, error) {
	s := &t.control.services
	s.mu.Lock()
	defer s.mu.Unlock()
	node, err := t.oneNode(r)
	if err != nil {
		return nil, err
	}
	one, err := s.define(r.URL.Query().Get("service"))
	if err != nil {
		return nil, err
	}
	before := one.host
	one.host = node.Key
	for _, k := range []key.NodePublic{before, node.Key} {
		if !k.IsZero() {
			t.control.inside.server.SetSubnetRoutes(k, s.routes(k))
		}
	}
	return answer{"addresses": one.addresses}, nil
}

// answerTime bounds a question to a node.
const answerTime = 30 * time.Second

// advertised asks a node which services it hosts.
func (t *tailnet) advertised(r *http.Request) (any, error) {
	node, err := t.oneNode(r)
	if err != nil {
		return nil, err
	}
	question, err := http.NewRequest("GET", "/vip-services", nil)
	if err != nil {
		return nil, err
	}
	answered := make(chan []byte, 1)
	err = t.control.inside.server.SendC2N(node.Key, question, func(response *http.Response) {
		var body bytes.Buffer
		body.ReadFrom(response.Body)
		answered <- body.Bytes()
	})
	if err != nil {
		return nil, err
	}
	select {
	case body := <-answered:
		var told tailcfg.C2NVIPServicesResponse
		err := json.Unmarshal(body, &told)
		return append([]*tailcfg.VIPService{}, told.VIPServices...), err
	case <-time.After(answerTime):
		return nil, fmt.Errorf("the node did not answer within %v", answerTime)
	}
}
