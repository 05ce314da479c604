package main

// The control server: testcontrol's Noise, map polls and map responses, with
// admission, faults and the table of nodes in front.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/netip"
	"strings"
	"sync"

	"tailscale.com/tailcfg"
	"tailscale.com/tstest/integration/testcontrol"
	"tailscale.com/types/key"
)

type control struct {
	url    string
	door   *door
	web    *http.Server
	inside *inside
	nodes  *nodes
	keys   *keys
	fault  fault

	records  records
	services services

	registering sync.Mutex // one registration at a time
}

func startControl(host netip.Addr, s settings, derpMap *tailcfg.DERPMap) (*control, error) {
	door, err := newDoor(host)
	if err != nil {
		return nil, fmt.Errorf("listening for control: %w", err)
	}
	c := &control{url: "http://" + door.addr.String(), door: door}
	server := &testcontrol.Server{
		Logf:            s.logf,
		DERPMap:         derpMap,
		DNSConfig:       &tailcfg.DNSConfig{Proxied: true, Domains: []string{s.domain}},
		AllOnline:       true,
		OnSetDNS:        c.records.set,
		ExplicitBaseURL: c.url,
	}
	if s.certificates {
		// Nodes are named elsewhere; testcontrol uses it for what it offers alone.
		server.MagicDNSDomain = s.domain
	}
	if s.grant != "" {
		server.SetGlobalAppCaps(tailcfg.PeerCapMap{tailcfg.PeerCapability(s.grant): nil})
	}
	if c.inside, err = openInside(server, http.HandlerFunc(c.serveTunnel)); err != nil {
		door.Close()
		return nil, err
	}
	c.nodes = newNodes(c.inside, s.domain)
	c.services.server, c.services.domain = server, s.domain
	c.keys = newKeys(c.url, s.authKey)
	c.web = &http.Server{Handler: http.HandlerFunc(c.serveFront), ErrorLog: log.New(io.Discard, "", 0)}
	go c.web.Serve(door)
	return c, nil
}

// serveFront answers what arrives outside a tunnel.
func (c *control) serveFront(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/key", "/ts2021":
		if !c.fault.answer(w, atDoor) {
			c.inside.tunnel.ServeHTTP(w, r)
		}
	case "/generate_204":
		w.WriteHeader(http.StatusNoContent)
	default:
		http.NotFound(w, r)
	}
}

// serveTunnel answers what arrives inside a tunnel. testcontrol gets only
// requests of which it is known that it can answer them.
func (c *control) serveTunnel(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/machine/register":
		c.serveRegister(w, r)
	case "/machine/map":
		c.serveMap(w, r)
	case "/machine/update-health", "/machine/set-dns":
		c.inside.tunnel.ServeHTTP(w, r)
	default:
		if strings.HasPrefix(r.URL.Path, "/c2n/") { // a node's answer to a question
			c.inside.tunnel.ServeHTTP(w, r)
			return
		}
		http.NotFound(w, r)
	}
}

// serveMap passes a map request on and keeps a hand on its poll.
func (c *control) serveMap(w http.ResponseWriter, r *http.Request) {
	if c.fault.answer(w, atMap) {
		return
	}
	var request json.RawMessage
	if !readJSON(w, r, &request) {
		return
	}
	var parsed tailcfg.MapRequest
	if err := json.Unmarshal(request, &parsed); err != nil {
		http.Error(w, "reading the map request: "+err.Error(), http.StatusBadRequest)
		return
	}
	ctx := r.Context()
	if parsed.Stream {
		polling, done := c.nodes.openPoll(ctx, parsed.NodeKey)
		defer done()
		ctx = polling
	}
	if c.nodes.get(parsed.NodeKey) == nil {
		http.Error(w, "node not found", http.StatusNotFound)
		return
	}
	r = r.WithContext(ctx)
	r.Body = io.NopCloser(bytes.NewReader(request))
	c.inside.tunnel.ServeHTTP(w, r)
}

// setFault answers requests at a place with status; 0 ends that.
func (c *control) setFault(status int, at place, retryAfter string) {
	c.fault.set(status, at, retryAfter)
	if status != 0 && at == atMap {
		c.nodes.cutPolls(func(key.NodePublic) bool { return true })
	}
}

func (c *control) close() {
	c.door.Close()
	c.web.Close()
}
