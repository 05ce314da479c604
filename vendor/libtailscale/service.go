package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"tailscale.com/client/local"
	"tailscale.com/ipn"
	"tailscale.com/ipn/ipnstate"
	"tailscale.com/tailcfg"
)

// A Tailscale Service has addresses of its own, which the control server hands out to
// the nodes that host it and routes to one of them. This is how a connection to one
// gets here, in the library's words:
//
//	shouldProcessInbound        asks the serve config, for each packet, whether the
//	                            service's port is taken; the packet is lost if not
//	TCPHandlerForDst            asks it for a handler; one that says nothing has none
//	tsnet's getTCPHandlerForFlow   finds a listener by the service's address
//
// So a port stands in the serve config without a handler, and an ordinary listener on
// each address gets the connection as it is: tsnet's own ListenService would carry it
// to a socket of loopback, end it with its first direction, and hide the peer.

// services are the services that a node hosts.
type services struct {
	mu sync.Mutex
	// ports says of each port whether it is hosted now. One that was stays in the
	// serve config: the packets of its open connections still pass by it.
	ports map[tailcfg.ServiceName]map[uint16]bool
}

// servicePrefix begins the name of a service, and an address to listen on there.
const servicePrefix = "svc:"

// serviceAddress splits "svc:web:443".
func serviceAddress(address string) (tailcfg.ServiceName, uint16, error) {
	at := max(0, strings.LastIndexByte(address, ':'))
	name := tailcfg.ServiceName(address[:at])
	if err := name.Validate(); err != nil {
		return "", 0, fail(kindBadAddress, err)
	}
	port, err := strconv.ParseUint(strings.TrimPrefix(address[at:], ":"), 10, 16)
	if err != nil || port == 0 {
		return "", 0, &failure{kindBadAddress, fmt.Sprintf("%s names no port from 1 to 65535", clip(address))}
	}
	return name, uint16(port), nil
}

// listenService hosts a service and accepts on its addresses, those that come later
// too. The service is withdrawn with the last of its ports.
func (n *node) listenService(ctx context.Context, m *mailbox, address string) error {
	name, port, err := serviceAddress(address)
	if err != nil {
		return err
	}
	client, err := n.backend(ctx)
	if err != nil {
		return err
	}
	inner, cancel := context.WithCancelCause(ctx)
	var accepting sync.WaitGroup
	defer accepting.Wait()
	defer cancel(nil)
	if err := n.host(ctx, client, name, port); err != nil {
		return err
	}
	defer n.withdraw(ctx, client, name, port)
	if err := m.send(listeningMessage{Type: "listening", Address: address}); err != nil {
		return nil // the caller has closed the mailbox
	}

	open := make(map[netip.Addr]net.Listener)
	err = n.followBus(inner, 0, func(_ *local.Client, notify *ipn.Notify) (bool, error) {
		if notify.State == nil && notify.SelfChange == nil {
			return false, nil
		}
		status, err := client.StatusWithoutPeers(inner)
		if err != nil {
			return false, err
		}
		now := handedOut(status)[name]
		for ip, listener := range open {
			if !slices.Contains(now, ip) {
				listener.Close()
				delete(open, ip)
			}
		}
		for _, ip := range now {
			if open[ip] != nil {
				continue
			}
			listener, err := n.server.Listen("tcp", netip.AddrPortFrom(ip, port).String())
			if err != nil {
				return false, listenFailure(err)
			}
			open[ip] = listener
			accepting.Go(func() {
				err := guarded(func() error { return n.accept(inner, m, "tcp", listener) })
				if !errors.Is(err, net.ErrClosed) { // which is an address that has gone
					cancel(err)
				}
			})
		}
		return false, nil
	})
	if cause := context.Cause(inner); cause != nil {
		return cause
	}
	return err
}

// host takes a port of a service: from now on its packets are let in, and the control
// server may send peers.
func (n *node) host(ctx context.Context, client *local.Client, name tailcfg.ServiceName, port uint16) error {
	status, err := client.StatusWithoutPeers(ctx)
	if err != nil {
		return err
	}
	if status.Self == nil || len(listOf(status.Self.Tags)) == 0 {
		return &failure{kindNotTagged, fmt.Sprintf("%s: only a tagged node can host a service", name)}
	}
	n.services.mu.Lock()
	defer n.services.mu.Unlock()
	if n.services.ports[name][port] {
		return &failure{kindPortInUse, fmt.Sprintf("port %d of %s is hosted already", port, name)}
	}
	if n.services.ports == nil {
		n.services.ports = make(map[tailcfg.ServiceName]map[uint16]bool)
	}
	if n.services.ports[name] == nil {
		n.services.ports[name] = make(map[uint16]bool)
	}
	n.services.ports[name][port] = true
	err = client.SetServeConfig(ctx, n.services.taken())
	if err == nil {
		err = n.services.advertise(ctx, client)
	}
	if err != nil {
		n.withdrawLocked(ctx, client, name, port)
	}
	return err
}

// withdrawLimit bounds what a withdrawal takes; all of it is this side's.
const withdrawLimit = time.Second

// withdraw gives a port of a service back. Its open connections go on.
func (n *node) withdraw(ctx context.Context, client *local.Client, name tailcfg.ServiceName, port uint16) {
	n.services.mu.Lock()
	defer n.services.mu.Unlock()
	n.withdrawLocked(ctx, client, name, port)
}

func (n *node) withdrawLocked(ctx context.Context, client *local.Client, name tailcfg.ServiceName, port uint16) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), withdrawLimit)
	defer cancel()
	n.services.ports[name][port] = false
	if n.ctx.Err() != nil {
		return // a closed node hosts nothing
	}
	if err := n.services.advertise(ctx, client); err != nil {
		logf("withdrawing %s: %v", name, err)
	}
}

// taken is the serve config that lets in the packets of every port there was.
func (s *services) taken() *ipn.ServeConfig {
	config := &ipn.ServeConfig{Services: make(map[tailcfg.ServiceName]*ipn.ServiceConfig)}
	for name, ports := range s.ports {
		handlers := make(map[uint16]*ipn.TCPPortHandler)
		for port := range ports {
			handlers[port] = new(ipn.TCPPortHandler)
		}
		config.Services[name] = &ipn.ServiceConfig{TCP: handlers}
	}
	return config
}

// advertise tells the control server which services are hosted.
func (s *services) advertise(ctx context.Context, client *local.Client) error {
	prefs := ipn.MaskedPrefs{AdvertiseServicesSet: true}
	for _, name := range s.hosted() {
		prefs.AdvertiseServices = append(prefs.AdvertiseServices, name.String())
	}
	_, err := client.EditPrefs(ctx, &prefs)
	return err
}

// hosted lists the services with a port that is hosted now, in order.
func (s *services) hosted() []tailcfg.ServiceName {
	var names []tailcfg.ServiceName
	for name, ports := range s.ports {
		for _, now := range ports {
			if now {
				names = append(names, name)
				break
			}
		}
	}
	slices.Sort(names)
	return names
}

// addresses tells of each service that is hosted which addresses it has here.
func (s *services) addresses(status *ipnstate.Status) map[tailcfg.ServiceName][]netip.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	given := handedOut(status)
	all := make(map[tailcfg.ServiceName][]netip.Addr)
	for _, name := range s.hosted() {
		all[name] = append([]netip.Addr{}, given[name]...)
	}
	return all
}

// handedOut is what the control server has this node host, with the addresses.
func handedOut(status *ipnstate.Status) tailcfg.ServiceIPMappings {
	if status.Self == nil {
		return nil
	}
	given, err := tailcfg.UnmarshalNodeCapJSON[tailcfg.ServiceIPMappings](status.Self.CapMap, tailcfg.NodeAttrServiceHost)
	if err != nil || len(given) == 0 {
		return nil
	}
	return given[0]
}

// clearServices forgets what an earlier run of this node hosted: the serve config
// outlives it, as the advertisement does not.
func clearServices(ctx context.Context, client *local.Client) error {
	config, err := client.GetServeConfig(ctx)
	if err != nil || config == nil || len(config.Services) == 0 {
		return err
	}
	return client.SetServeConfig(ctx, new(ipn.ServeConfig))
}
