package main

// Registration: a node shows its key and becomes, or stays, a node of the tailnet.

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"tailscale.com/tailcfg"
	"tailscale.com/types/key"
)

// maxRequest bounds the body of a request from a node.
const maxRequest = 1 << 20

func (c *control) serveRegister(w http.ResponseWriter, r *http.Request) {
	if c.fault.answer(w, atRegister) {
		return
	}
	var request tailcfg.RegisterRequest
	if !readJSON(w, r, &request) {
		return
	}
	if request.NodeKey.IsZero() {
		http.Error(w, "a register request without a node key", http.StatusBadRequest)
		return
	}
	machine, ok := c.inside.machine(r)
	if !ok {
		http.Error(w, "a register request outside a tunnel", http.StatusBadRequest)
		return
	}
	if request.Followup != "" {
		err := c.keys.await(r.Context(), request.Followup, request.NodeKey)
		if r.Context().Err() != nil {
			return
		}
		if err != nil {
			respond(w, &tailcfg.RegisterResponse{Error: err.Error()})
			return
		}
	}
	response, err := c.register(machine, &request)
	if errors.Is(err, errUnauthorized) {
		http.Error(w, "unauthorized", http.StatusUnauthorized)
		return
	}
	if err != nil {
		response = &tailcfg.RegisterResponse{Error: err.Error()}
	}
	respond(w, response)
}

// register decides what a request makes of the tailnet. By the time it is called,
// a request that names a login URL has had its login completed.
func (c *control) register(machine key.MachinePublic, request *tailcfg.RegisterRequest) (*tailcfg.RegisterResponse, error) {
	c.registering.Lock()
	defer c.registering.Unlock()
	now := time.Now()
	node := c.nodes.get(request.NodeKey)
	if node != nil && node.Machine != machine {
		return nil, refusal("this node key belongs to another machine")
	}
	if !request.Expiry.IsZero() && request.Expiry.Before(now) {
		c.logOut(node)
		return new(tailcfg.RegisterResponse), nil
	}
	if node != nil && expiredAt(node, now) {
		// The node answers this by asking again with a new key.
		return &tailcfg.RegisterResponse{NodeKeyExpired: true}, nil
	}
	if node == nil {
		if request.Followup == "" {
			loginURL, err := c.keys.admit(request.NodeKey, shownKey(request))
			if err != nil {
				return nil, err
			}
			if loginURL != "" {
				return &tailcfg.RegisterResponse{MachineAuthorized: true, AuthURL: loginURL}, nil
			}
		}
		if old := c.nodes.get(request.OldNodeKey); old != nil && old.Machine == machine {
			node = c.nodes.rotate(old, request.NodeKey)
		} else {
			node = c.nodes.join(machine, request.NodeKey, request.Hostinfo, request.Version)
		}
	}
	c.nodes.setEphemeral(node.Key, request.Ephemeral)
	user, login := c.nodes.owner(node.Key)
	return &tailcfg.RegisterResponse{User: user, Login: login, MachineAuthorized: true}, nil
}

// logOut ends a node's membership: an ephemeral node is gone, another's key expires.
func (c *control) logOut(node *tailcfg.Node) {
	switch {
	case node == nil:
	case c.nodes.isEphemeral(node.Key):
		c.nodes.remove(node)
	default:
		c.nodes.expire(node, true)
	}
}

func shownKey(request *tailcfg.RegisterRequest) string {
	if request.Auth == nil {
		return ""
	}
	return request.Auth.AuthKey
}

// readJSON reads a request's body into value; false means it has answered.
func readJSON(w http.ResponseWriter, r *http.Request, value any) bool {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err == nil {
		err = json.Unmarshal(body, value)
	}
	if err != nil {
		http.Error(w, "reading the request: "+err.Error(), http.StatusBadRequest)
	}
	return err == nil
}

func respond(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(value)
}
