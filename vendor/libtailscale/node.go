package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"tailscale.com/client/local"
	"tailscale.com/tailcfg"
	"tailscale.com/tsnet"
)

// nodeConfig is the argument of tailport_start.
type nodeConfig struct {
	Dir          string   `json:"dir"`
	Hostname     string   `json:"hostname"`
	ControlURL   string   `json:"control_url"`
	AuthKey      string   `json:"auth_key"`
	ClientSecret string   `json:"client_secret"`
	Tags         []string `json:"tags"`
	Ephemeral    bool     `json:"ephemeral"`
	KeepaliveMS  int64    `json:"keepalive_ms"`
}

// keepaliveMax is the longest keepalive time in milliseconds, some 35 years:
// twice as much still is a time.Duration.
const keepaliveMax = 1 << 40

// check refuses what no node can be started with.
func (config nodeConfig) check() error {
	if config.Dir == "" || config.KeepaliveMS < 0 || config.KeepaliveMS > keepaliveMax {
		return syscall.EINVAL
	}
	for _, tag := range config.Tags {
		if tailcfg.CheckTag(tag) != nil {
			return syscall.EINVAL
		}
	}
	return nil
}

// node is one tsnet server and what lives on it.
type node struct {
	handle    uint64
	server    *tsnet.Server
	ephemeral bool
	authKey   string // known once started is closed
	keepalive time.Duration
	mapPoll   mapPoll
	also      func(line string) // takes log lines too, unless nil

	// ctx ends when the node closes; every mailbox of the node derives from it.
	ctx    context.Context
	cancel context.CancelFunc

	waiting  chan string     // why tsnet's Start cannot be called yet
	started  chan struct{}   // closed when tsnet's Start has returned
	startErr error           // its error, once started is closed
	client   *local.Client   // of the backend, once it is closed without an error
	asking   *http.Transport // of client, the same

	services services

	saidRunning  atomic.Pointer[runningWord]
	stateChanges atomic.Uint64 // of the backend, as far as a watch has heard of them

	partings atomic.Pointer[mailbox]    // where the ends of junctions are told, or nil
	acks     atomic.Pointer[ackDelayer] // of its network stack, or nil

	mu        sync.Mutex
	lingering map[*connection]time.Time // until when
}

// startNode begins a node's start and returns the mailbox that follows it.
func startNode(config nodeConfig) (int, *node, error) {
	n, err := newNode(config)
	if err != nil {
		return -1, nil, err
	}
	wake := restCollector()
	fd, err := n.openMailbox(func(ctx context.Context, m *mailbox) error {
		defer wake()
		return n.followStart(ctx, m)
	})
	if err != nil {
		wake()
		n.cancel()
		return -1, nil, err
	}
	n.begin(config)
	return fd, n, nil
}

// newNode makes a node, which does nothing until begin.
func newNode(config nodeConfig) (*node, error) {
	if err := checkLayout(); err != nil {
		return nil, err
	}
	n := &node{
		server: &tsnet.Server{
			Dir:        config.Dir,
			Hostname:   config.Hostname,
			ControlURL: config.ControlURL,
			Ephemeral:  config.Ephemeral,

			AdvertiseTags: config.Tags,
		},
		ephemeral: config.Ephemeral,
		waiting:   make(chan string, 1),
		keepalive: time.Duration(config.KeepaliveMS) * time.Millisecond,
		started:   make(chan struct{}),
		lingering: make(map[*connection]time.Time),
	}
	n.server.Logf, n.server.UserLogf = n.logf, n.logf
	n.mapPoll.gone = make(chan struct{})
	n.ctx, n.cancel = context.WithCancel(context.Background())
	return n, nil
}

// begin gives the node its handle and starts it.
func (n *node) begin(config nodeConfig) {
	addNode(n)
	go func() {
		defer close(n.started)
		n.startErr = guarded(func() error { return n.start(config) })
	}()
	go n.watchSilence()
	go n.watchBatches()
	go n.giveMemoryBack(restLook)
}

// start gets a key to log in with, and starts tsnet.
func (n *node) start(config nodeConfig) error {
	key, err := n.loginKey(config)
	if err != nil {
		return err
	}
	n.authKey, n.server.AuthKey = key, key
	if err := n.server.Start(); err != nil {
		return err
	}
	deepenStacks()
	tuneStack(n.server)
	n.takePlaces()
	client, err := n.server.LocalClient()
	if err != nil {
		return err
	}
	n.asking = &http.Transport{DialContext: client.Dial}
	client.Transport = n.asking // before anybody asks
	n.client = client
	return nil
}

// openMailbox runs work in a mailbox that ends with the node.
func (n *node) openMailbox(work func(ctx context.Context, m *mailbox) error) (int, error) {
	fd, m, err := newMailbox(n.ctx)
	if err != nil {
		return -1, err
	}
	n.runIn(m, work)
	return fd, nil
}

// runIn runs work in a mailbox and closes it after that.
func (n *node) runIn(m *mailbox, work func(ctx context.Context, m *mailbox) error) {
	m.run(func(ctx context.Context) error { return n.closedOr(work(ctx, m)) })
}

// closedOr says that the node is closed where an error comes from that.
func (n *node) closedOr(err error) error {
	if n.ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return &failure{kindClosed, "the node is closed"}
	}
	return err
}

// awaitStarted waits until tsnet's Start has returned, and returns its error.
func (n *node) awaitStarted(ctx context.Context) error {
	select {
	case <-n.started:
		return startFailure(n.startErr)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// backend returns the client that questions to the backend go by, once tsnet has
// started.
func (n *node) backend(ctx context.Context) (*local.Client, error) {
	if err := n.awaitStarted(ctx); err != nil {
		return nil, err
	}
	return n.client, nil
}

// startFailure tells a state directory that cannot be used from other failures.
func startFailure(err error) error {
	var path *fs.PathError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &path), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.EACCES):
		return fail(kindStateUnusable, err)
	default:
		return failureOf(err)
	}
}

// The bounds of a close, kept by the caller's contract: 2 s, or 7 s where an
// ephemeral node is logged out (tsnet itself gives the logout 5 s).
const (
	closeLimit  = 1900 * time.Millisecond
	logoutLimit = 6900 * time.Millisecond
)

// closeNode ends the node and reports it in a mailbox of its own.
func closeNode(n *node) (int, error) {
	fd, m, err := newMailbox(context.Background())
	if err != nil {
		return -1, err
	}
	// The report outlives a caller that does not wait for it: only the
	// message is lost, not the close.
	m.run(func(context.Context) error { return m.send(n.close()) })
	return fd, nil
}

// close ends everything on the node within the bounds of the contract.
func (n *node) close() closedMessage {
	if n.ephemeral {
		return n.closeWithin(logoutLimit)
	}
	return n.closeWithin(closeLimit)
}

// closeWithin ends everything on the node, then tsnet, as far as the time allows.
func (n *node) closeWithin(limit time.Duration) closedMessage {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	n.cancel()
	if acks := n.acks.Load(); acks != nil {
		acks.stop()
	}
	n.resetAll()

	report := closedMessage{Type: "closed"}
	closed := make(chan struct{})
	stage := make(chan string, 2)
	go func() {
		defer close(closed)
		// tsnet's Close must not run beside its Start.
		stage <- "the node's start has not returned"
		<-n.started
		stage <- "the node's close has not returned"
		n.closeServer()
	}()
	select {
	case <-closed:
		report.LoggedOut = n.ephemeral && n.startErr == nil
	case <-deadline.C:
		for len(stage) > 0 {
			report.Abandoned = <-stage
		}
		report.Abandoned += fmt.Sprintf(" after %v; left behind", limit)
		logf("close: %s", report.Abandoned)
	}
	return report
}

// resetGrace is what the resets get to leave the machine before the engine that
// carries them is closed; nothing tells when they have.
const resetGrace = 100 * time.Millisecond

// resetAll resets every connection whose peer does not have everything, so that
// no peer waits for the rest.
func (n *node) resetAll() {
	pending := n.pending()
	for _, c := range pending {
		c.abort()
		c.endpoint.abort() // also of those that are only waiting for the peer
	}
	if len(pending) > 0 {
		time.Sleep(resetGrace)
	}
}

func (n *node) closeServer() {
	err := guarded(func() error {
		if n.startErr == nil {
			// One that was dialed and never used looks to the backend like one that
			// is about to be, and is given five seconds.
			n.asking.CloseIdleConnections()
			return closeTsnet(n.server)
		}
		// A failed Start has closed what it opened, but for the event bus.
		if sys := n.server.Sys(); sys != nil {
			sys.Bus.Get().Close()
		}
		return nil
	})
	if err != nil {
		logf("closing the node: %v", err)
	}
}
