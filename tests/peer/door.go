package main

// The door: what a test asks the node to do.

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"tailscale.com/client/local"
	"tailscale.com/tailcfg"
	"tailscale.com/tsnet"
)

const (
	look = 20 * time.Millisecond // between two looks at the map
	ping = time.Second           // until a ping counts as lost
)

func serveDoor(node *tsnet.Server, door net.Listener) {
	acceptEach(door, func(c net.Conn) {
		if err := serve(node, c.(*net.TCPConn)); err != nil {
			fmt.Fprintf(c, "ERROR %v\n", err)
		}
		c.Close()
	})
}

// acceptEach has every connection served, until the listener is closed.
func acceptEach(l net.Listener, serve func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go serve(c)
	}
}

func serve(node *tsnet.Server, c *net.TCPConn) error {
	words, err := request(c)
	if err != nil {
		return err
	}
	switch {
	case len(words) == 2 && words[0] == "DIAL":
		return dial(node, c, words[1])
	case len(words) == 3 && words[0] == "LISTEN":
		return listen(node, c, words[1], words[2])
	case len(words) == 2 && words[0] == "GREET":
		return greet(node, c, words[1])
	case len(words) == 2 && words[0] == "SERVE":
		return serveBench(node, c, words[1])
	case len(words) == 4 && slices.Contains([]string{"BULK", "EXCHANGE", "REQUESTS"}, words[0]):
		return bench(node, c, words)
	case len(words) == 4:
		return load(node, c, words)
	}
	return fmt.Errorf("not understood: %q", words)
}

// request reads one line and not a byte more: what follows belongs to the
// connection that is dialed.
func request(c io.Reader) ([]string, error) {
	var line []byte
	var next [1]byte
	for len(line) < 256 {
		if _, err := io.ReadFull(c, next[:]); err != nil {
			return nil, err
		}
		if next[0] == '\n' {
			return strings.Fields(string(line)), nil
		}
		line = append(line, next[0])
	}
	return nil, fmt.Errorf("the request is too long")
}

func dial(node *tsnet.Server, c *net.TCPConn, address string) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := awaitPeer(ctx, node, to.Addr()); err != nil {
		return err
	}
	far, err := node.Dial(ctx, "tcp", address)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(c, "OK"); err != nil {
		far.Close()
		return nil
	}
	carry(c, far)
	return nil
}

func listen(node *tsnet.Server, c *net.TCPConn, port, target string) error {
	l, err := node.Listen("tcp", ":"+port)
	if err != nil {
		return err
	}
	defer l.Close()
	go acceptEach(l, func(far net.Conn) {
		near, err := net.Dial("tcp", target)
		if err != nil {
			far.Close()
			return
		}
		carry(near.(*net.TCPConn), far)
	})
	fmt.Fprintln(c, "OK")
	io.Copy(io.Discard, c)
	return nil
}

func greet(node *tsnet.Server, c *net.TCPConn, address string) error {
	to, err := netip.ParseAddr(address)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := awaitPeer(ctx, node, to); err != nil {
		return err
	}
	lc, err := node.LocalClient()
	if err != nil {
		return err
	}
	for !answers(ctx, lc, to) {
		if ctx.Err() != nil {
			return fmt.Errorf("%v does not answer", to)
		}
	}
	fmt.Fprintln(c, "OK")
	return nil
}

// answers says whether a ping through the tunnel came back: it does when both
// nodes know each other.
func answers(ctx context.Context, lc *local.Client, to netip.Addr) bool {
	ctx, cancel := context.WithTimeout(ctx, ping)
	defer cancel()
	result, err := lc.Ping(ctx, to, tailcfg.PingTSMP)
	return err == nil && result.Err == ""
}

// awaitPeer returns when this address leads to a peer: its own, or a service's.
func awaitPeer(ctx context.Context, node *tsnet.Server, to netip.Addr) error {
	lc, err := node.LocalClient()
	if err != nil {
		return err
	}
	leads := func(route netip.Prefix) bool { return route.Contains(to) }
	for {
		status, err := lc.Status(ctx)
		if err != nil {
			return err
		}
		for _, peer := range status.Peer {
			if allowed := peer.AllowedIPs; allowed != nil && allowed.ContainsFunc(leads) {
				return nil
			}
		}
		select {
		case <-time.After(look):
		case <-ctx.Done():
			return fmt.Errorf("no peer has the address %v", to)
		}
	}
}
