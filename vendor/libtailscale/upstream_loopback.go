package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"

	"tailscale.com/ipn"
)

// proxy is where tsnet's proxy and local API listen, and the passwords they ask for.
type proxy struct {
	address, proxyPassword, apiPassword string
}

// passwordSize is the length of a password without its NUL.
const passwordSize = 32

// openLoopback starts tsnet's proxy on loopback, or tells of the one that is there.
func (s *server) openLoopback() (proxy, error) {
	n, err := s.start()
	if err != nil {
		return proxy{}, err
	}
	// tsnet's own makes two when it is called twice at a time.
	s.loopback.Lock()
	defer s.loopback.Unlock()
	if n.ctx.Err() != nil {
		return proxy{}, errServerClosed
	}
	var p proxy
	p.address, p.proxyPassword, p.apiPassword, err = n.server.Loopback()
	if err != nil {
		return proxy{}, err
	}
	if len(p.proxyPassword) != passwordSize || len(p.apiPassword) != passwordSize {
		return proxy{}, fmt.Errorf("the proxy's passwords are not of %d bytes", passwordSize)
	}
	return p, nil
}

// funnelPort is the port of the node that is opened to the internet.
const funnelPort = 443

// funnel has the internet's TLS connections to the node's name end here and go on
// to a port of this machine.
func (s *server) funnel(port int) error {
	if port < 1 || port > 65535 {
		return &failure{kindBadAddress, fmt.Sprintf("port %d is not a number from 1 to 65535", port)}
	}
	n, err := s.start()
	if err != nil {
		return err
	}
	status, err := n.client.StatusWithoutPeers(n.ctx)
	if err != nil {
		return n.closedOr(err)
	}
	if len(status.CertDomains) == 0 {
		return &failure{kindNoCertificates, "the tailnet offers no certificates; an admin can turn HTTPS on"}
	}
	name := status.CertDomains[0]
	s.cleared.Do(func() {}) // what is served from now on is this run's
	err = n.client.SetServeConfig(n.ctx, &ipn.ServeConfig{
		TCP: map[uint16]*ipn.TCPPortHandler{funnelPort: {
			TCPForward:   net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
			TerminateTLS: name,
		}},
		AllowFunnel: map[ipn.HostPort]bool{ipn.HostPort(net.JoinHostPort(name, strconv.Itoa(funnelPort))): true},
	})
	if err != nil {
		return n.closedOr(errors.Join(errors.New("opening the funnel"), err))
	}
	return nil
}
