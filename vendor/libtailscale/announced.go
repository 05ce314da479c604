package main

import "net/netip"

// announced is what an id names: a connection or a flow, from its announcement
// until it is retired.
type announced interface {
	who() *identity
	// claim makes the socket pair; the descriptor is the caller's.
	claim() (int, error)
	// abort ends it at once. It may be called more than once.
	abort()
	// release says that the caller will not ask again.
	release()
	ends() (incoming, outgoing endState)
	unacknowledged() uint64
	// joined is how much went past the caller, through a socket of the caller's.
	joined() passed
}

// identity is what an announcement says.
type identity struct {
	id            uint64
	remote, local netip.AddrPort
}

func (i *identity) who() *identity { return i }
