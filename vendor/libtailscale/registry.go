package main

import (
	"runtime"
	"runtime/pprof"
	"sync"
	"sync/atomic"
)

// registry holds everything a handle or an id can name, and counts what is
// alive. All of it is empty when every node, mailbox and connection is closed.
var registry struct {
	mu          sync.Mutex
	lastNode    uint64
	nodes       map[uint64]*node
	lastID      uint64
	connections map[uint64]announced
	dials       map[uint64]*mailbox

	mailboxes atomic.Int64
	lingering atomic.Int64

	droppedDatagrams atomic.Uint64
}

func init() {
	registry.nodes = make(map[uint64]*node)
	registry.connections = make(map[uint64]announced)
	registry.dials = make(map[uint64]*mailbox)
}

func addNode(n *node) {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	registry.lastNode++
	n.handle = registry.lastNode
	registry.nodes[n.handle] = n
}

// findNode returns the node of a handle, or nil.
func findNode(handle uint64) *node {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	return registry.nodes[handle]
}

// takeNode returns the node of a handle and retires the handle, or nil.
func takeNode(handle uint64) *node {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	n := registry.nodes[handle]
	delete(registry.nodes, handle)
	return n
}

func addConnection(c announced) {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	registry.lastID++
	c.who().id = registry.lastID
	registry.connections[registry.lastID] = c
}

// findConnection returns the connection or flow of an id, or nil.
func findConnection(id uint64) announced {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	return registry.connections[id]
}

// takeConnection returns the connection or flow of an id and retires the id, or nil.
func takeConnection(id uint64) announced {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	c := registry.connections[id]
	delete(registry.connections, id)
	return c
}

// addDial gives a dial an id, by the mailbox of its own that it ends with.
func addDial(m *mailbox) uint64 {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	registry.lastID++
	registry.dials[registry.lastID] = m
	return registry.lastID
}

// takeDial returns the dial of an id and retires the id, or nil.
func takeDial(id uint64) *mailbox {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	m := registry.dials[id]
	delete(registry.dials, id)
	return m
}

// connectionsOf lists a node's connections whose ids are known, not its flows.
func connectionsOf(n *node) []*connection {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	var found []*connection
	for _, known := range registry.connections {
		if c, ok := known.(*connection); ok && c.node == n {
			found = append(found, c)
		}
	}
	return found
}

// counts is struct tailport_counts of tailscale.h.
type counts struct {
	nodes, mailboxes, connections, lingering, goroutines, threads, droppedLogLines, droppedDatagrams uint64
}

func count() counts {
	registry.mu.Lock()
	nodes, connections := len(registry.nodes), len(registry.connections)
	registry.mu.Unlock()
	return counts{
		nodes:           uint64(nodes),
		mailboxes:       uint64(registry.mailboxes.Load()),
		connections:     uint64(connections),
		lingering:       uint64(registry.lingering.Load()),
		goroutines:      uint64(runtime.NumGoroutine()),
		threads:         uint64(pprof.Lookup("threadcreate").Count()),
		droppedLogLines: logs.dropped.Load(),

		droppedDatagrams: registry.droppedDatagrams.Load(),
	}
}
