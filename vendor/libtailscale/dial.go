package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"tailscale.com/client/local"
	"tailscale.com/ipn"
)

// dialByHand begins a dial whose answer is given by hand, and returns the id by which it
// can be cancelled until whatever it announces has been claimed or aborted.
func (n *node) dialByHand(hand hand, network, address string, limit time.Duration) uint64 {
	answered := false
	m := newInnerMailbox(n.ctx, func(message any) error {
		payload, err := encode(message)
		if err != nil || answered {
			return err
		}
		if answered = true; !hand(payload) {
			return net.ErrClosed
		}
		return nil
	})
	id := addDial(m)
	n.runIn(m, func(ctx context.Context, m *mailbox) error {
		defer takeDial(id)
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return n.dial(ctx, m, network, address)
	})
	return id
}

// cancelDial ends a dial that dialByHand has begun and that is not over.
func cancelDial(id uint64) error {
	m := takeDial(id)
	if m == nil {
		return syscall.EBADF
	}
	m.close()
	return nil
}

// dial connects to an address of the tailnet and announces the connection, or the
// flow, which sends nothing by itself. The network's own stack makes the connection, never the system's dialer, so that
// no name and no address can lead a dial to the host's own network.
func (n *node) dial(ctx context.Context, m *mailbox, network, address string) error {
	if err := checkDialAddress(network, address); err != nil {
		return err
	}
	if err := n.awaitStarted(ctx); err != nil {
		return err
	}
	if err := n.stillRunning(ctx); err != nil {
		return inTime(address, err)
	}
	dialer := n.server.Sys().Dialer.Get()
	target, inTailnet, err := dialer.UserDialPlan(ctx, network, address)
	if err != nil {
		return inTime(address, resolveFailure(ctx, address, err))
	}
	if !inTailnet || !dialer.UseNetstackForIP(target.Addr()) {
		return &failure{kindNotInTailnet, notInTailnetText(address, target)}
	}
	dial := dialer.NetstackDialTCP
	if network == "udp" {
		dial = dialer.NetstackDialUDP
	}
	conn, err := dial(ctx, target)
	if err != nil {
		return inTime(address, connectFailure(ctx, err))
	}
	settled, err := n.announce(m, "dialed", conn)
	if err != nil {
		return err
	}
	select {
	case <-settled:
	case <-m.ctx.Done():
	}
	return nil
}

// announce takes over what tsnet made and announces it; the channel is closed
// when that is claimed or aborted. The error is a mailbox's that was closed, or a
// fault of this side.
func (n *node) announce(m *mailbox, messageType string, conn net.Conn) (<-chan struct{}, error) {
	if _, ok := conn.(*gonet.UDPConn); ok {
		f, err := newFlow(n, m, conn)
		if err == nil {
			err = m.announce(messageType, f)
		}
		if err != nil {
			return nil, err
		}
		f.begin()
		return f.settled, nil
	}
	c, err := newConnection(n, m, conn)
	if err == nil {
		err = m.announce(messageType, c)
	}
	if err != nil {
		return nil, err
	}
	return c.settled, nil
}

// inTime says in plain words that a dial's time is over.
func inTime(address string, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return &failure{kindTimedOut, "dialing " + address + ": no answer in time"}
	}
	return err
}

func checkNetwork(network string) error {
	if network != "tcp" && network != "udp" {
		return &failure{kindBadAddress, "network " + clip(network) + " is neither tcp nor udp"}
	}
	return nil
}

func checkDialAddress(network, address string) error {
	if err := checkNetwork(network); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fail(kindBadAddress, err)
	}
	if host == "" {
		return &failure{kindBadAddress, fmt.Sprintf("address %s names no host", address)}
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
		return &failure{kindBadAddress, fmt.Sprintf("port %q is not a number from 1 to 65535", port)}
	}
	return nil
}

// running is backend, and fails at once when that has no way to any peer: tsnet's
// own dial would wait for a state that may need a person.
func (n *node) running(ctx context.Context) (*local.Client, error) {
	client, err := n.backend(ctx)
	if err != nil {
		return nil, err
	}
	status, err := client.StatusWithoutPeers(ctx)
	if err != nil {
		return nil, err
	}
	if state := status.BackendState; state != ipn.Running.String() && state != ipn.Starting.String() {
		return nil, &failure{kindNotRunning, "the node's state is " + state}
	}
	return client, nil
}

// runningFor is how long the backend's word that it runs is believed, unless a watch hears
// of another state. Asking takes as long as all else that a dial does; a dial that finds
// the backend stopped fails too, when its time is over.
const runningFor = time.Second

// runningWord is when the backend said that it runs, and how many changes of its state had
// been heard of by then.
type runningWord struct {
	at      time.Time
	changes uint64
}

// stillRunning is running for a dial.
func (n *node) stillRunning(ctx context.Context) error {
	now := runningWord{time.Now(), n.stateChanges.Load()}
	if word := n.saidRunning.Load(); word != nil && word.changes == now.changes && now.at.Sub(word.at) < runningFor {
		return nil
	}
	if _, err := n.running(ctx); err != nil {
		return err
	}
	n.saidRunning.Store(&now)
	return nil
}

func notInTailnetText(address string, target netip.AddrPort) string {
	ip := target.Addr().String()
	if host, _, err := net.SplitHostPort(address); err == nil && host != ip {
		return fmt.Sprintf("%s is %s, which is no address of this tailnet", host, ip)
	}
	return ip + " is no address of this tailnet"
}

// resolveFailure classifies an error of finding out where an address leads.
func resolveFailure(ctx context.Context, address string, err error) error {
	var dns *net.DNSError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &dns) && dns.IsNotFound:
		return fail(kindUnknownName, err)
	case errors.As(err, &dns):
		return fail(kindUnreachable, fmt.Errorf("resolving %s: %w", address, err))
	default:
		return fail(kindBadAddress, err)
	}
}

// connectFailure classifies what the network stack said of a connect. gonet
// flattens the stack's error to its text.
func connectFailure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	text := err.Error()
	for _, known := range []struct {
		err  tcpip.Error
		kind kind
	}{
		{&tcpip.ErrConnectionRefused{}, kindRefused},
		{&tcpip.ErrConnectionReset{}, kindReset},
		{&tcpip.ErrConnectionAborted{}, kindReset},
		{&tcpip.ErrAborted{}, kindReset},
		{&tcpip.ErrTimeout{}, kindTimedOut},
		{&tcpip.ErrHostUnreachable{}, kindUnreachable},
		{&tcpip.ErrNetworkUnreachable{}, kindUnreachable},
	} {
		if strings.HasSuffix(text, known.err.String()) {
			return fail(known.kind, err)
		}
	}
	return err
}
