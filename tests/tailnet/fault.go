package main

// The faults of the control server that an HTTP status can express.

import (
	"net/http"
	"sync"
)

// place is where a fault's status is answered.
type place string

const (
	// atRegister: register requests, inside the tunnel.
	atRegister place = "register"
	// atMap: map requests, inside the tunnel.
	atMap place = "map"
	// atDoor: the server's key and the upgrade to a tunnel, before any Noise.
	atDoor place = "door"
)

// fault answers requests at one place with a status instead of serving them.
// Its zero value lets everything pass.
type fault struct {
	mu         sync.Mutex
	status     int // 0: none
	at         place
	retryAfter string
	count      int
}

func (f *fault) set(status int, at place, retryAfter string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status, f.at, f.retryAfter = status, at, retryAfter
}

// answer says whether it has answered a request at a place.
func (f *fault) answer(w http.ResponseWriter, at place) bool {
	f.mu.Lock()
	status, hit, retryAfter := f.status, f.status != 0 && f.at == at, f.retryAfter
	if hit {
		f.count++
	}
	f.mu.Unlock()
	if !hit {
		return false
	}
	if retryAfter != "" {
		w.Header().Set("Retry-After", retryAfter)
	}
	http.Error(w, "switched to "+http.StatusText(status), status)
	return true
}

// answered counts the requests that were answered with a status.
func (f *fault) answered() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}
