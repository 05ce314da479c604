package main

// STUN: tells a node the address its packets come from.

import (
	"fmt"
	"net"
	"net/netip"

	"tailscale.com/net/stun"
)

type stunServer struct {
	socket *net.UDPConn
}

func startSTUN(host netip.Addr) (*stunServer, error) {
	socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(host, 0)))
	if err != nil {
		return nil, fmt.Errorf("listening for STUN: %w", err)
	}
	s := &stunServer{socket: socket}
	go s.serve()
	return s, nil
}

// serve answers binding requests and ignores everything else, until close.
func (s *stunServer) serve() {
	packet := make([]byte, 1500)
	for {
		n, from, err := s.socket.ReadFromUDPAddrPort(packet)
		if err != nil {
			return
		}
		id, err := stun.ParseBindingRequest(packet[:n])
		if err != nil {
			continue
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		s.socket.WriteToUDPAddrPort(stun.Response(id, from), from)
	}
}

func (s *stunServer) port() int { return s.socket.LocalAddr().(*net.UDPAddr).Port }
func (s *stunServer) close()    { s.socket.Close() }
