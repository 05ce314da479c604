package main

import (
	"context"
	"errors"
	"net"
	"strings"
)

// listen accepts on the tailnet and announces every connection at once: tsnet's
// listener has no queue and drops what is not accepted within a second.
func (n *node) listen(ctx context.Context, m *mailbox, network, address string) error {
	if network != "tcp" {
		return &failure{kindBadAddress, "network " + network + " is not tcp"}
	}
	if err := n.awaitStarted(ctx); err != nil {
		return err
	}
	listener, err := n.server.Listen(network, address)
	if err != nil {
		return listenFailure(err)
	}
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	defer listener.Close()

	if err := m.send(listeningMessage{Type: "listening", Address: listener.Addr().String()}); err != nil {
		return nil // the caller has closed the mailbox
	}
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) && ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		c, err := newConnection(n, m, conn)
		if err != nil {
			return err
		}
		if m.announce("accepted", c) != nil {
			return nil
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
