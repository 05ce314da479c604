package main

// What testcontrol keeps to itself: its tables of nodes and users, and the handler
// of what arrives inside a Noise tunnel.
//
// testcontrol has no call that removes a node, gives a node the next free id by
// counting the nodes there are, admits a node only by a key that can not change
// while it runs, and ends the process at a request it does not know. So this
// program keeps Noise, map polls and map responses of testcontrol and decides by
// itself who is a node. It reaches for six unexported fields, once, at start:
// another version of testcontrol that has changed them fails there with their name.

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"unsafe"

	"tailscale.com/tailcfg"
	"tailscale.com/tstest/integration/testcontrol"
	"tailscale.com/types/key"
)

// inside is a testcontrol server with its tables in reach.
type inside struct {
	server *testcontrol.Server
	tunnel http.Handler // testcontrol's own handler of requests in a tunnel

	mu     *sync.Mutex // the server's; guards the tables
	nodes  map[key.NodePublic]*tailcfg.Node
	users  map[key.NodePublic]*tailcfg.User
	logins map[key.NodePublic]*tailcfg.Login
}

// openInside prepares server, which nobody may have used yet, and makes handler
// the one that gets the requests inside the tunnels.
func openInside(server *testcontrol.Server, handler http.Handler) (*inside, error) {
	// One answered request makes testcontrol create its keys and its handler.
	first := httptest.NewRequest("GET", "/key", nil)
	server.ServeHTTP(httptest.NewRecorder(), first)

	in := &inside{
		server: server,
		nodes:  make(map[key.NodePublic]*tailcfg.Node),
		users:  make(map[key.NodePublic]*tailcfg.User),
		logins: make(map[key.NodePublic]*tailcfg.Login),
	}
	mu, err := field[sync.Mutex](server, "mu")
	if err != nil {
		return nil, err
	}
	in.mu = mu
	mux, err := field[*http.ServeMux](server, "mux")
	if err != nil {
		return nil, err
	}
	in.tunnel = *mux
	everything := http.NewServeMux()
	everything.Handle("/", handler)
	*mux = everything
	if err := replace(server, "nodes", in.nodes); err != nil {
		return nil, err
	}
	if err := replace(server, "users", in.users); err != nil {
		return nil, err
	}
	return in, replace(server, "logins", in.logins)
}

// field points to an unexported field of server.
func field[T any](server *testcontrol.Server, name string) (*T, error) {
	f := reflect.ValueOf(server).Elem().FieldByName(name)
	if !f.IsValid() || f.Type() != reflect.TypeFor[T]() {
		return nil, fmt.Errorf("testcontrol.Server has no field %s of type %s: not the version this was written for", name, reflect.TypeFor[T]())
	}
	return (*T)(unsafe.Pointer(f.UnsafeAddr())), nil
}

func replace[T any](server *testcontrol.Server, name string, value T) error {
	f, err := field[T](server, name)
	if err == nil {
		*f = value
	}
	return err
}

// machine is the key of the machine at the other end of the tunnel that r came
// through. testcontrol keeps it in the request's context under a private name;
// a request that does nothing makes testcontrol ask for it.
func (in *inside) machine(r *http.Request) (machine key.MachinePublic, ok bool) {
	overheard := &eavesdropper{Context: r.Context()}
	nothing, err := http.NewRequestWithContext(overheard, "POST", "/machine/update-health", strings.NewReader(""))
	if err != nil {
		return machine, false
	}
	in.tunnel.ServeHTTP(httptest.NewRecorder(), nothing)
	return overheard.machine, !overheard.machine.IsZero()
}

// eavesdropper is a context that notes the machine key it is asked for.
type eavesdropper struct {
	context.Context
	machine key.MachinePublic
}

func (c *eavesdropper) Value(name any) any {
	value := c.Context.Value(name)
	if machine, ok := value.(key.MachinePublic); ok {
		c.machine = machine
	}
	return value
}
