package main

// The TXT records that nodes set to prove that their names are theirs. Nobody else
// sees them: a test's certificate authority asks the admin interface.

import (
	"errors"
	"net/http"
	"sync"

	"tailscale.com/tailcfg"
)

// recordsMax bounds how many a test's nodes can set.
const recordsMax = 1000

type records struct {
	mu     sync.Mutex
	count  int
	values map[string][]string
}

// set is what a node asks the control server for.
func (r *records) set(request *tailcfg.SetDNSRequest) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count == recordsMax {
		return errors.New("too many records")
	}
	if r.values == nil {
		r.values = make(map[string][]string)
	}
	r.count++
	r.values[request.Name] = append(r.values[request.Name], request.Value)
	return nil
}

// list is the admin's GET /txt.
func (r *records) list(request *http.Request) (any, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string{}, r.values[request.FormValue("name")]...), nil
}
