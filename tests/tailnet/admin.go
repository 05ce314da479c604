package main

// The admin interface: how a test makes things happen. main.go documents it.

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"tailscale.com/tailcfg"
	"tailscale.com/types/key"
)

// answer is the JSON of an action that has nothing else to tell.
type answer map[string]any

// action is one request of the admin interface; its error becomes a 4xx.
type action func(r *http.Request) (any, error)

// notFound is an error about something that is not there.
type notFound string

func (e notFound) Error() string { return string(e) }

func adminHandler(t *tailnet) http.Handler {
	mux := http.NewServeMux()
	for pattern, do := range map[string]action{
		"GET /nodes":           t.listNodes,
		"GET /txt":             t.control.records.list,
		"GET /derp-map":        func(*http.Request) (any, error) { return t.derp.asMap(), nil },
		"POST /expire":         t.expire,
		"POST /extend":         t.extend,
		"POST /delete":         t.delete,
		"POST /black-hole":     t.blackHole,
		"POST /control":        t.setControl,
		"POST /derp":           t.setDERP,
		"POST /auth-key":       t.setAuthKey,
		"POST /complete-login": t.completeLogin,
		"POST /approve":        t.approve,
		"POST /lead":           t.lead,
		"GET /advertised":      t.advertised,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			result, err := do(r)
			if err == nil {
				respond(w, result)
				return
			}
			status := http.StatusBadRequest
			if _, missing := err.(notFound); missing {
				status = http.StatusNotFound
			}
			http.Error(w, err.Error(), status)
		})
	}
	return mux
}

// nodeLine is one node as GET /nodes shows it.
type nodeLine struct {
	Name      string         `json:"name"`
	DNSName   string         `json:"dns_name"`
	NodeKey   key.NodePublic `json:"node_key"`
	ID        tailcfg.NodeID `json:"id"`
	Addresses []netip.Addr   `json:"addresses"`
	Polling   bool           `json:"polling"`
	AtRelay   bool           `json:"at_relay"`
	Endpoints int            `json:"endpoints"`
	KeyExpiry *time.Time     `json:"key_expiry,omitempty"`
	Expired   bool           `json:"expired"`
	Ephemeral bool           `json:"ephemeral"`
	BlackHole bool           `json:"black_hole"`
	Tags      []string       `json:"tags"`
}

func (t *tailnet) listNodes(*http.Request) (any, error) {
	lines := []nodeLine{}
	for _, n := range t.control.inside.server.AllNodes() {
		lines = append(lines, t.line(n))
	}
	slices.SortFunc(lines, func(a, b nodeLine) int { return int(a.ID - b.ID) })
	return lines, nil
}

func (t *tailnet) line(n *tailcfg.Node) nodeLine {
	name := strings.TrimSuffix(n.Name, ".")
	label, _, _ := strings.Cut(name, ".")
	state := t.control.nodes.stateOf(n.Key)
	line := nodeLine{
		Name:      label,
		DNSName:   name,
		NodeKey:   n.Key,
		ID:        n.ID,
		Polling:   state.polling,
		AtRelay:   t.derp.relay.IsClientConnectedForTest(n.Key),
		Endpoints: len(n.Endpoints),
		Expired:   expiredAt(n, time.Now()),
		Ephemeral: state.ephemeral,
		BlackHole: state.blackHole,
		Tags:      append([]string{}, n.Tags...),
	}
	for _, a := range n.Addresses {
		line.Addresses = append(line.Addresses, a.Addr())
	}
	if !n.KeyExpiry.IsZero() {
		line.KeyExpiry = &n.KeyExpiry
	}
	return line
}

// named returns the nodes that a request speaks of.
func (t *tailnet) named(r *http.Request) ([]*tailcfg.Node, error) {
	query := r.URL.Query()
	if query.Has("all") {
		return t.control.inside.server.AllNodes(), nil
	}
	if !query.Has("node") {
		return nil, fmt.Errorf("node=NAME is missing")
	}
	if n := t.control.nodes.find(query.Get("node")); n != nil {
		return []*tailcfg.Node{n}, nil
	}
	return nil, notFound(fmt.Sprintf("no node is called %q", query.Get("node")))
}

func (t *tailnet) expire(r *http.Request) (any, error) {
	return t.setExpiry(r, r.URL.Query().Get("all") != "false")
}

func (t *tailnet) extend(r *http.Request) (any, error) {
	return t.setExpiry(r, false)
}

func (t *tailnet) setExpiry(r *http.Request, expired bool) (any, error) {
	if all := r.URL.Query().Get("all"); all != "" && all != "true" && all != "false" {
		return nil, fmt.Errorf("all=%q: true or false", all)
	}
	t.control.registering.Lock()
	defer t.control.registering.Unlock()
	nodes, err := t.named(r)
	for _, n := range nodes {
		t.control.nodes.expire(n, expired)
	}
	return answer{"nodes": len(nodes), "expired": expired}, err
}

func (t *tailnet) delete(r *http.Request) (any, error) {
	t.control.registering.Lock()
	defer t.control.registering.Unlock()
	if r.URL.Query().Has("all") {
		return nil, fmt.Errorf("node=NAME is missing")
	}
	nodes, err := t.named(r)
	for _, n := range nodes {
		t.control.nodes.remove(n)
	}
	return answer{"nodes": len(nodes)}, err
}

func (t *tailnet) blackHole(*http.Request) (any, error) {
	return t.line(t.control.nodes.addBlackHole()), nil
}

func (t *tailnet) setControl(r *http.Request) (any, error) {
	query := r.URL.Query()
	mode := query.Get("mode")
	status, state := 0, doorOpen
	switch mode {
	case "ok":
	case "silent":
		state = doorFrozen
	case "refuse":
		state = doorShut
	case "429", "500", "503":
		status, _ = strconv.Atoi(mode)
	default:
		return nil, fmt.Errorf("mode=%q: one of ok, silent, refuse, 429, 500, 503", mode)
	}
	at := atRegister
	if query.Has("at") {
		at = place(query.Get("at"))
	}
	if !slices.Contains([]place{atRegister, atMap, atDoor}, at) {
		return nil, fmt.Errorf("at=%q: one of register, map, door", at)
	}
	t.control.setFault(status, at, query.Get("retry-after"))
	if err := t.control.door.set(state); err != nil {
		return nil, err
	}
	return answer{"mode": mode}, nil
}

func (t *tailnet) setDERP(r *http.Request) (any, error) {
	mode := r.URL.Query().Get("mode")
	states := map[string]doorState{"up": doorOpen, "down": doorShut, "silent": doorFrozen}
	state, known := states[mode]
	if !known {
		return nil, fmt.Errorf("mode=%q: one of up, down, silent", mode)
	}
	if err := t.derp.door.set(state); err != nil {
		return nil, err
	}
	return answer{"mode": mode}, nil
}

func (t *tailnet) setAuthKey(r *http.Request) (any, error) {
	query := r.URL.Query()
	renew := query.Get("new") == "true"
	if !query.Has("key") && !renew {
		return nil, fmt.Errorf("key=POLICY or new=true is missing")
	}
	authKey, err := t.control.keys.set(query.Get("key"), renew)
	if err != nil {
		return nil, err
	}
	if renew {
		return answer{"auth_key": authKey}, nil
	}
	return answer{"key": query.Get("key")}, nil
}

func (t *tailnet) completeLogin(r *http.Request) (any, error) {
	loginURL := r.URL.Query().Get("url")
	if err := t.control.keys.complete(loginURL); err != nil {
		return nil, notFound(err.Error())
	}
	return answer{"url": loginURL}, nil
}
