package main

// The map polls that nodes have open, so that one can be cut.

import (
	"context"

	"tailscale.com/types/key"
)

// poll is one open map poll.
type poll struct {
	node key.NodePublic
	cut  context.CancelFunc
}

// openPoll notes a map poll; the context is cancelled when it is to end.
func (t *nodes) openPoll(ctx context.Context, k key.NodePublic) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	p := &poll{node: k, cut: cancel}
	t.mu.Lock()
	t.polls[p] = struct{}{}
	t.mu.Unlock()
	return ctx, func() {
		cancel()
		t.mu.Lock()
		delete(t.polls, p)
		t.mu.Unlock()
	}
}

func (t *nodes) cutPolls(of func(key.NodePublic) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for p := range t.polls {
		if of(p.node) {
			p.cut()
		}
	}
}
