package main

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"
)

// errNoDatagrams is what these calls have for UDP: a socket that is read and
// written like a connection keeps no boundary between datagrams.
var errNoDatagrams = &failure{kindBadAddress, "tailscale_listen and tailscale_dial carry tcp only; tailport_listen and tailport_dial carry udp too"}

// dial connects to an address of the tailnet once the node is up, and returns the
// connection's descriptor.
func (s *server) dial(network, address string) (int, error) {
	if network == "udp" {
		return -1, errNoDatagrams
	}
	if err := checkDialAddress(network, address); err != nil {
		return -1, err
	}
	n, err := s.up()
	if err != nil {
		return -1, err
	}
	fd := -1
	err = n.wait(func(ctx context.Context, m *mailbox) error {
		ctx, cancel := context.WithTimeout(ctx, serverDialLimit)
		defer cancel()
		return n.dial(ctx, m, network, address)
	}, func(message any) error {
		dialed, ok := message.(connectionMessage)
		if !ok {
			return nil
		}
		var err error
		if fd, err = claimBlocking(dialed.ID); err != nil {
			return fmt.Errorf("dialing %s: %w", address, err)
		}
		return nil
	})
	if err != nil && fd >= 0 {
		unix.Close(fd)
		fd = -1
	}
	return fd, err
}

// claimBlocking claims a connection for a caller who knows its descriptor alone.
func claimBlocking(id uint64) (int, error) {
	c, ok := findConnection(id).(*connection)
	if !ok {
		return -1, errServerClosed
	}
	p, err := blockingPair()
	if err != nil {
		return -1, err
	}
	c.gentle = true
	if err := c.claimThrough(p.ours); err != nil {
		p.close()
		return -1, err
	}
	c.release()
	return p.theirs, nil
}
