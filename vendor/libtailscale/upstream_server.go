package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"tailscale.com/envknob"
	"tailscale.com/ipn"
)

// server is what a handle of the calls named tailscale_ stands for: settings until
// its start, then a node. Those calls wait where the seam's own answer a mailbox,
// but stand on the same nodes, listeners, dials and connections.
type server struct {
	cleared  sync.Once  // what an earlier run left to be served
	loopback sync.Mutex // held while tsnet's proxy is made, or the node closed

	mu      sync.Mutex
	config  nodeConfig
	logFD   int // where log lines go besides; -1 for nowhere
	node    *node
	closed  bool
	problem string // the text of the last error
}

// servers holds every server that is not closed.
var servers struct {
	mu    sync.Mutex
	last  int32
	known map[int32]*server
}

const (
	// firstServer is far from all numbers of descriptors, so that one in place of
	// the other is an error.
	firstServer = 1 << 24

	// serverKeepalive is the idle time before a peer is probed.
	serverKeepalive = time.Minute

	// serverDialLimit is about what the system gives connect(2).
	serverDialLimit = 2 * time.Minute

	// serverFlushLimit bounds what a close waits for acknowledgements.
	serverFlushLimit = time.Second

	// serverCloseLimit bounds the rest of it.
	serverCloseLimit = 20 * time.Second
)

// newServer makes a server and returns its handle.
func newServer() int32 {
	if !logUploadAsked.Load() {
		envknob.SetNoLogsNoSupport()
	}
	servers.mu.Lock()
	defer servers.mu.Unlock()
	if servers.known == nil {
		servers.known = make(map[int32]*server)
		servers.last = firstServer
	}
	for {
		servers.last = max(servers.last+1, firstServer) // it wraps around
		if _, taken := servers.known[servers.last]; !taken {
			break
		}
	}
	servers.known[servers.last] = &server{
		config: nodeConfig{KeepaliveMS: serverKeepalive.Milliseconds()},
		logFD:  -1,
	}
	return servers.last
}

// findServer returns the server of a handle, or nil.
func findServer(handle int32) *server {
	servers.mu.Lock()
	defer servers.mu.Unlock()
	return servers.known[handle]
}

// takeServer returns the server of a handle and retires the handle, or nil.
func takeServer(handle int32) *server {
	servers.mu.Lock()
	defer servers.mu.Unlock()
	s := servers.known[handle]
	delete(servers.known, handle)
	return s
}

// fail keeps an error's text for tailscale_errmsg.
func (s *server) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problem = clip(strings.ReplaceAll(err.Error(), "\x00", ""))
}

// lastProblem is the text of the last error.
func (s *server) lastProblem() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.problem
}

// set changes a setting, which a start takes for good.
func (s *server) set(change func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.node != nil || s.closed {
		return errors.New("the node has been started: settings come before that")
	}
	return change()
}

// setLogFD has log lines written to a duplicate of fd too; -1 is to none.
func (s *server) setLogFD(fd int) error {
	return s.set(func() error {
		own := -1
		if fd != -1 {
			var err error
			if own, err = duplicate(fd); err != nil {
				return fmt.Errorf("the log's descriptor: %w", err)
			}
		}
		s.dropLogFD()
		s.logFD = own
		return nil
	})
}

// dropLogFD closes the duplicate while nothing uses it yet.
func (s *server) dropLogFD() {
	if s.logFD >= 0 {
		syscall.Close(s.logFD)
		s.logFD = -1
	}
}

var errServerClosed = &failure{kindClosed, "the node is closed"}

// begin returns the server's node, which the first call starts.
func (s *server) begin() (*node, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, errServerClosed
	case s.node != nil:
		return s.node, nil
	}
	n, err := newNode(s.config)
	if err != nil {
		return nil, err
	}
	if s.logFD >= 0 {
		n.also = copyLog(n.ctx, s.logFD)
		s.logFD = -1
	}
	n.begin(s.config)
	s.node = n
	return n, nil
}

// start returns the server's node once tsnet has started.
func (s *server) start() (*node, error) {
	n, err := s.begin()
	if err != nil {
		return nil, err
	}
	return n, n.closedOr(n.awaitStarted(n.ctx))
}

// up returns the server's node once it is connected to its tailnet, however long
// that takes.
func (s *server) up() (*node, error) {
	n, err := s.begin()
	if err != nil {
		return nil, err
	}
	return n, n.wait(n.followStart, func(any) error { return nil })
}

// upAfresh is up, and for the first time ends what an earlier run of the program
// left to be served, as tsnet's Up does.
func (s *server) upAfresh() error {
	n, err := s.up()
	if err != nil {
		return err
	}
	s.cleared.Do(func() {
		err = n.client.SetServeConfig(n.ctx, new(ipn.ServeConfig))
	})
	return n.closedOr(err)
}

// wait runs work in the caller's thread, with messages that stay in this half.
func (n *node) wait(work func(ctx context.Context, m *mailbox) error, tell func(message any) error) error {
	m := newInnerMailbox(n.ctx, tell)
	defer m.close()
	return n.closedOr(guarded(func() error { return work(m.ctx, m) }))
}

// addresses lists the node's addresses on the tailnet: none until it is up.
func (s *server) addresses() string {
	s.mu.Lock()
	n := s.node
	s.mu.Unlock()
	if n == nil {
		return ""
	}
	select {
	case <-n.started:
	default:
		return ""
	}
	if n.startErr != nil {
		return ""
	}
	var list []string
	ip4, ip6 := n.server.TailscaleIPs()
	for _, ip := range []netip.Addr{ip4, ip6} {
		if ip.IsValid() {
			list = append(list, ip.String())
		}
	}
	return strings.Join(list, ",")
}

// close ends the node and every call that waits for it. What was written before
// is given a moment to arrive.
func (s *server) close() error {
	s.mu.Lock()
	n := s.node
	s.closed = true
	s.dropLogFD()
	s.mu.Unlock()
	if n == nil {
		return nil
	}
	n.flush(n.ctx, serverFlushLimit)
	s.loopback.Lock()
	defer s.loopback.Unlock()
	takeNode(n.handle)
	if report := n.closeWithin(serverCloseLimit); report.Abandoned != "" {
		return &failure{kindInternal, report.Abandoned}
	}
	return nil
}
