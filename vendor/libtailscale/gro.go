package main

import (
	"errors"
	"unsafe"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	stackgro "gvisor.dev/gvisor/pkg/tcpip/stack/gro"
	"tailscale.com/net/packet"
	"tailscale.com/net/tstun"
	"tailscale.com/tsnet"
	"tailscale.com/wgengine/filter"
	"tailscale.com/wgengine/netstack/gro"
)

// The segments of a connection that come in one batch are joined (generic receive
// offload) before the network stack gets them. They wait in eight lists, one element a
// connection, and a flush at the batch's end delivers them. The library's flush takes an
// element out of its list before it asks that element for the next one, so it delivers
// the first of each list. When two connections of a batch share a list, the second one's
// segments stay behind, until a later batch happens to get the same lists from the pool
// where they are kept, or the garbage collector takes them away first: the stack gets
// them late and out of order, or never. With more nodes in a process they may come to
// another one's stack, which answers with a reset, to itself, as it was the sender.
//
// So here a flush goes on until nothing is left.

// groFlusher stands between the lists of a batch and the stack. It belongs to the
// goroutine that reads the batch.
type groFlusher struct {
	to      stack.NetworkDispatcher
	lists   *stackgro.GRO
	filling bool // a packet is being added, which may deliver it or another one
}

// flushWhole has a node deliver all segments of a batch at its end. It is not seen by the
// race detector, as its place is read without a lock: what comes before does as it did.
//
//go:norace
func flushWhole(server *tsnet.Server) error {
	if err := checkLayout(); err != nil {
		return err
	}
	tun := server.Sys().Tun.Get()
	if tun.PostFilterPacketInboundFromWireGuard == nil {
		return errors.New("the network stack does not take its packets where it did")
	}
	tun.PostFilterPacketInboundFromWireGuard = flushedWhole(tun.PostFilterPacketInboundFromWireGuard)
	return nil
}

// flushedWhole is what takes the packets of a batch one by one, but with lists that are
// flushed whole. One packet alone needs nothing for that.
func flushedWhole(take tstun.GROFilterFunc) tstun.GROFilterFunc {
	return func(p *packet.Parsed, tun *tstun.Wrapper, batch *gro.GRO) (filter.Response, *gro.GRO) {
		if batch == nil {
			return take(p, tun, nil)
		}
		flusher := flusherOf(batch)
		if flusher == nil {
			return take(p, tun, batch)
		}
		flusher.filling = true
		response, batch := take(p, tun, batch)
		flusher.filling = false
		return response, batch
	}
}

// flusherOf is the flusher of a batch, which gets one unless it has one.
func flusherOf(batch *gro.GRO) *groFlusher {
	lists := listsOf(batch)
	if lists.Dispatcher == nil {
		return nil // the stack has ended
	}
	flusher, ok := lists.Dispatcher.(*groFlusher)
	if !ok {
		flusher = &groFlusher{to: lists.Dispatcher, lists: lists}
		lists.Dispatcher = flusher
	}
	return flusher
}

// listsOf takes gVisor's lists out of what tailscale wraps around them; checkLayout has
// found where.
func listsOf(batch *gro.GRO) *stackgro.GRO {
	return (*stackgro.GRO)(unsafe.Add(unsafe.Pointer(batch), layout.lists))
}

// DeliverNetworkPacket hands a packet to the stack. After each that a flush delivers comes
// another flush, until there is nothing to deliver: as deep as a batch has connections, of
// which the lists hold 64.
func (f *groFlusher) DeliverNetworkPacket(protocol tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	f.to.DeliverNetworkPacket(protocol, pkt)
	if !f.filling {
		f.lists.Flush()
	}
}

// DeliverLinkPacket hands on what is not for the stack.
func (f *groFlusher) DeliverLinkPacket(protocol tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	f.to.DeliverLinkPacket(protocol, pkt)
}
