package main

import (
	"context"
	"net"
	"strings"
)

// unclaimedFlows bounds the flows that wait to be claimed. A peer makes one with
// every port it sends from, and without a handshake.
const unclaimedFlows = 128

// listen accepts on the tailnet and announces every connection, or every flow with
// its first datagram.
func (n *node) listen(ctx context.Context, m *mailbox, network, address string) error {
	if err := checkNetwork(network); err != nil {
		return err
	}
	if strings.HasPrefix(address, servicePrefix) && network == "tcp" {
		return n.listenService(ctx, m, address)
	}
	if err := n.awaitStarted(ctx); err != nil {
		return err
	}
	listener, err := n.server.Listen(network, address)
	if err != nil {
		return listenFailure(err)
	}
	if err := m.send(listeningMessage{Type: "listening", Address: listener.Addr().String()}); err != nil {
		listener.Close()
		return nil // the caller has closed the mailbox
	}
	return n.accept(ctx, m, network, listener)
}

// accept announces what comes, and closes the listener with the context.
func (n *node) accept(ctx context.Context, m *mailbox, network string, listener net.Listener) error {
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	next := listener.Accept
	if network == "tcp" {
		accepted := acceptAhead(listener)
		defer accepted.abort()
		next = accepted.take
	}
	defer listener.Close()
	for {
		conn, err := next()
		if err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		if network == "udp" && m.waiting() >= unclaimedFlows {
			registry.droppedDatagrams.Add(1)
			conn.Close()
			continue
		}
		_, err = n.announce(m, "accepted", conn)
		if ctx.Err() != nil {
			return ctx.Err() // the caller has closed the mailbox
		}
		if err != nil {
			return err
		}
	}
}

// listenFailure classifies tsnet's error, which has no type of its own.
func listenFailure(err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "listener already open"):
		return fail(kindPortInUse, err)
	case strings.Contains(text, "invalid"), strings.Contains(text, "missing port"), strings.Contains(text, "too many colons"):
		return fail(kindBadAddress, err)
	default:
		return err
	}
}
