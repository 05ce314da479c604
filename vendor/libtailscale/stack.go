package main

import (
	"time"
	"unsafe"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"tailscale.com/tsnet"
	"tailscale.com/wgengine/netstack"
)

// The network stack backs off its retransmissions up to two minutes. On a link
// that loses much, or after a laptop was suspended, a connection then stands
// still long after the way is free again; and its limit of 15 transmissions of
// one segment ends connections that a lossy link only slows down, since after a
// timeout it sends again all that was in flight.

const (
	// maxRTO is the longest pause between two retransmissions: one packet in five
	// seconds costs nothing, and a way that is free again is found at once.
	maxRTO = 5 * time.Second

	// maxRetransmissions of one segment take about as long as the stack's own
	// limits do together, a quarter of an hour. What ends a connection to a peer
	// that vanished is silence.go, as far as keepalive is on.
	maxRetransmissions = 180

	// timeWait is how long a connection that this side ended first keeps the peer's port.
	// The stack does not take a new connection from it meanwhile, as a kernel does: with
	// the usual minute a peer that connects often soon meets one of its own old ports, and
	// its dial fails after half a minute of silence. A peer's dial tries again after 1, 3
	// and 7 seconds. And it is as long as the longest pause of a peer like this one before
	// it sends its end of stream again, when the answer to that was lost; one that comes
	// later still is answered by a reset.
	timeWait = 5 * time.Second
)

// tuneStack sets them for the connections that a node will have.
func tuneStack(server *tsnet.Server) {
	s := stackOf(server)
	if s == nil {
		logf("the network stack keeps its own times")
		return
	}
	rto := tcpip.TCPMaxRTOOption(maxRTO)
	retries := tcpip.TCPMaxRetriesOption(maxRetransmissions)
	wait := tcpip.TCPTimeWaitTimeoutOption(timeWait)
	for _, option := range []tcpip.SettableTransportProtocolOption{&rto, &retries, &wait} {
		if err := s.SetTransportProtocolOption(tcp.ProtocolNumber, option); err != nil {
			logf("setting %T of the network stack: %v", option, err)
		}
	}
}

// linkGrace is what the end of the network stack may take by itself.
const linkGrace = 200 * time.Millisecond

// closeTsnet ends tsnet. Its close stops taking the stack's packets before it ends
// the stack, which has room for 512 of them: when thousands of connections are just
// then closing, all of it waits for ever. Closing the stack's link refuses them. Those
// that do not take the library's way (outbound.go) are read until the stack has ended.
func closeTsnet(server *tsnet.Server) error {
	stuck := time.AfterFunc(linkGrace, func() {
		guarded(func() error { closeLink(server); return nil })
	})
	defer stuck.Stop()
	return server.Close()
}

func closeLink(server *tsnet.Server) {
	s := stackOf(server)
	if s == nil {
		return
	}
	if link := s.GetLinkEndpointByName(""); link != nil { // the only one
		link.Close()
	}
}

// stackOf takes the network stack out of tsnet's; checkLayout has found where.
func stackOf(server *tsnet.Server) *stack.Stack {
	impl := netstackOf(server)
	if impl == nil {
		return nil
	}
	return *(**stack.Stack)(unsafe.Add(unsafe.Pointer(impl), layout.stack))
}

// netstackOf is what tsnet keeps its network stack in, or nil.
func netstackOf(server *tsnet.Server) *netstack.Impl {
	impl, _ := server.Sys().Netstack.Get().(*netstack.Impl)
	return impl
}
