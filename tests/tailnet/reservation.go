package main

// Keeping a port while nobody listens on it.

import (
	"fmt"
	"net/netip"
	"syscall"
)

// reservation is a socket that is bound and never listens: connects to its port
// are refused, and the system gives the port to nobody who asks for a free one.
// A listener on the same port is possible beside it, because both set
// SO_REUSEADDR (Go's listeners do) and the first does not listen: Linux's rule.
type reservation struct {
	fd   int
	addr netip.AddrPort
}

func reservePort(host netip.Addr) (*reservation, error) {
	family := syscall.AF_INET
	if host.Is6() {
		family = syscall.AF_INET6
	}
	// Without the lock a child started between the two calls would inherit the
	// descriptor.
	syscall.ForkLock.RLock()
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	r := &reservation{fd: fd}
	if err := r.bind(host); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *reservation) bind(host netip.Addr) error {
	if err := syscall.SetsockoptInt(r.fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return fmt.Errorf("setsockopt: %w", err)
	}
	var local syscall.Sockaddr
	if host.Is6() {
		local = &syscall.SockaddrInet6{Addr: host.As16()}
	} else {
		local = &syscall.SockaddrInet4{Addr: host.As4()}
	}
	if err := syscall.Bind(r.fd, local); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	bound, err := syscall.Getsockname(r.fd)
	if err != nil {
		return fmt.Errorf("getsockname: %w", err)
	}
	switch bound := bound.(type) {
	case *syscall.SockaddrInet4:
		r.addr = netip.AddrPortFrom(host, uint16(bound.Port))
	case *syscall.SockaddrInet6:
		r.addr = netip.AddrPortFrom(host, uint16(bound.Port))
	}
	return nil
}

func (r *reservation) close() {
	syscall.Close(r.fd)
}
