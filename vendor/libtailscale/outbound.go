package main

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/tailscale/wireguard-go/tun"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"tailscale.com/net/packet"
	"tailscale.com/net/tsaddr"
	"tailscale.com/net/tstun"
	"tailscale.com/syncs"
	"tailscale.com/tstime/mono"
)

// In the library a packet of the network stack goes through a queue, a goroutine that
// looks whom it is for, and a second queue to the one that reads for WireGuard, which
// copies it into 64 KiB of new memory, from there into WireGuard's first buffer, and from
// there, in segments, into all of them. Here the segments of TCP connections with peers go
// from the stack to that reader: one goroutine fewer, nothing to be allocated and cleared,
// and small packets that wait together are read together. All else takes the library's way.
//
// WireGuard reads from a tun.Device. Its value has two words, of which the second stays
// the library's, so that whoever reads it just now gets one of two values that are both
// whole: the library's own, or the same with another Read.

// mostQueued is how many packets of the stack wait, as many as in the library.
const mostQueued = 512

// outbound is the way of a node's packets to WireGuard.
type outbound struct {
	library stack.QueueingDiscipline // the library's way
	wrapper *tstun.Wrapper           // its end
	closed  chan struct{}            // when WireGuard reads no more

	packets  chan *stack.PacketBuffer
	next     *stack.PacketBuffer // read, but not with those before it
	underWay *underWay
	others   othersRead

	// What the library looks at and notes for each of these packets as well. Its filter
	// keeps no state for TCP; its captures and its log of connections are not built in.
	isLocal      *syncs.AtomicValue[func(netip.Addr) bool]
	peerConfig   *unsafe.Pointer
	lastActivity *mono.Time

	scratch [tstun.MaxPacketSize]byte // segments that are to be split
	parsed  packet.Parsed
}

// outbounds are those of running nodes, by their wrappers.
var outbounds sync.Map

// tunnel is the library's tun.Device with another Read.
type tunnel struct{ tstun.Wrapper }

// Read waits for packets to be sent, and returns how many there are.
func (t *tunnel) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	o, ok := outbounds.Load(&t.Wrapper)
	if !ok { // it has ended
		return t.Wrapper.Read(bufs, sizes, offset)
	}
	return o.(*outbound).read(bufs, sizes, offset)
}

// WritePacket takes a packet of the network stack, and waits for room.
func (o *outbound) WritePacket(pkt *stack.PacketBuffer) tcpip.Error {
	if !o.isForPeer(pkt) {
		return o.library.WritePacket(pkt)
	}
	select {
	case o.packets <- pkt.IncRef():
		return nil
	case <-o.closed:
		pkt.DecRef()
		return &tcpip.ErrClosedForSend{}
	}
}

// Close ends the library's way. The other one ends with its reader.
func (o *outbound) Close() { o.library.Close() }

// isForPeer reports whether a packet is a TCP segment for a peer, as far as that is certain
// by its addresses. The library has more to look at when it comes from a service's address
// or from one of a subnet by way of 4via6, and when it is for the node itself.
func (o *outbound) isForPeer(pkt *stack.PacketBuffer) bool {
	if pkt.TransportProtocolNumber != header.TCPProtocolNumber || pkt.Size() > len(o.scratch) {
		return false
	}
	var from, to netip.Addr
	switch ip := pkt.Network().(type) {
	case header.IPv4:
		from = netip.AddrFrom4(ip.SourceAddress().As4())
		to = netip.AddrFrom4(ip.DestinationAddress().As4())
	case header.IPv6:
		from = netip.AddrFrom16(ip.SourceAddress().As16())
		to = netip.AddrFrom16(ip.DestinationAddress().As16())
	default:
		return false
	}
	isService := from == tsaddr.TailscaleServiceIP() || from == tsaddr.TailscaleServiceIPv6()
	return !isService && !tsaddr.TailscaleViaRange().Contains(from) && !o.isLocal.Load()(to)
}

// read is Read.
func (o *outbound) read(bufs [][]byte, sizes []int, offset int) (n int, err error) {
	o.others.begin.Do(func() { go o.readOthers(len(bufs), offset) })
	pkt := o.next
	o.next = nil
	if pkt == nil {
		select {
		case pkt = <-o.packets:
		case result := <-o.others.results:
			n, err = o.others.take(result, bufs, sizes, offset)
			o.underWay.given += int64(n)
			return n, err
		}
	}
	if pkt.GSOOptions.Type == stack.GSONone {
		n = o.gather(pkt, bufs, sizes, offset)
	} else {
		o.underWay.waitForRoom()
		n, err = o.split(pkt, bufs, sizes, offset)
	}
	o.underWay.given += int64(n)
	o.lastActivity.StoreAtomic(mono.Now())
	return n, err
}

// gather reads packets, one for each buffer, until none waits or the next one is to be
// split.
func (o *outbound) gather(pkt *stack.PacketBuffer, bufs [][]byte, sizes []int, offset int) (n int) {
	for {
		if sizes[n] = len(o.flatten(pkt, bufs[n][offset:])); sizes[n] > 0 {
			n++
		}
		pkt.DecRef()
		if n == len(bufs) {
			return n
		}
		select {
		case pkt = <-o.packets:
			if pkt.GSOOptions.Type != stack.GSONone {
				o.next = pkt
				return n
			}
		default:
			return n
		}
	}
}

// split reads a packet that stands for many segments.
func (o *outbound) split(pkt *stack.PacketBuffer, bufs [][]byte, sizes []int, offset int) (int, error) {
	defer pkt.DecRef()
	gso := pkt.GSOOptions
	whole := o.flatten(pkt, o.scratch[:])
	if len(whole) == 0 {
		return 0, nil
	}
	options := tun.GSOOptions{
		GSOType:    tun.GSOTCPv4,
		HdrLen:     gso.L3HdrLen + uint16(header.TCP(whole[gso.L3HdrLen:]).DataOffset()),
		CsumStart:  gso.L3HdrLen,
		CsumOffset: gso.CsumOffset,
		GSOSize:    gso.MSS,
		NeedsCsum:  gso.NeedsCsum,
	}
	if gso.Type == stack.GSOTCPv6 {
		options.GSOType = tun.GSOTCPv6
	}
	return tun.GSOSplit(whole, options, bufs, sizes, offset)
}

// flatten copies a packet, from the address that its peer knows this node by. It returns
// nothing when the packet is to be dropped.
func (o *outbound) flatten(pkt *stack.PacketBuffer, into []byte) []byte {
	n := copy(into, pkt.NetworkHeader().Slice())
	n += copy(into[n:], pkt.TransportHeader().Slice())
	rest := space(into[n:])
	pkt.Data().ReadTo(&rest, true)
	whole := into[:len(into)-len(rest)]

	config, intercept := atomic.LoadPointer(o.peerConfig), o.wrapper.PreFilterPacketOutboundToWireGuardAppConnectorIntercept
	if config == nil && intercept == nil {
		return whole
	}
	o.parsed.Decode(whole)
	invertPartialChecksum(whole, pkt.GSOOptions)
	if intercept != nil && intercept(&o.parsed, o.wrapper).IsDrop() {
		return nil
	}
	snat(config, &o.parsed)
	invertPartialChecksum(whole, pkt.GSOOptions)
	return whole
}

// space is memory to be filled.
type space []byte

// Write fills as much of it.
func (s *space) Write(data []byte) (int, error) {
	n := copy(*s, data)
	*s = (*s)[n:]
	return n, nil
}

// snat changes a packet's source address to the one that its peer knows, if that is
// another one.
//
//go:linkname snat tailscale.com/net/tstun.(*peerConfigTable).snat
func snat(config unsafe.Pointer, p *packet.Parsed)

// invertPartialChecksum makes a checksum that is to be completed one that a change of
// addresses can be added to, and the other way round: it is kept without its complement.
func invertPartialChecksum(whole []byte, gso stack.GSO) {
	if gso.NeedsCsum {
		at := gso.L3HdrLen + gso.CsumOffset
		whole[at], whole[at+1] = ^whole[at], ^whole[at+1]
	}
}

// othersRead are the packets that come by the library's way.
type othersRead struct {
	begin   sync.Once
	bufs    [][]byte
	sizes   []int
	results chan readResult
	taken   chan struct{} // has room for one, so that who takes never waits
}

// readResult is what a Read has returned.
type readResult struct {
	n   int
	err error
}

// readOthers reads the library's way to its end.
func (o *outbound) readOthers(most, offset int) {
	mtu, err := o.wrapper.MTU()
	if err != nil {
		mtu = tstun.MaxPacketSize
	}
	o.others.bufs, o.others.sizes = make([][]byte, most), make([]int, most)
	for i := range o.others.bufs {
		size := mtu
		if i == 0 {
			size = tstun.MaxPacketSize // what is to be split comes here first
		}
		o.others.bufs[i] = make([]byte, offset+size)
	}
	for {
		n, err := o.wrapper.Read(o.others.bufs, o.others.sizes, offset)
		ended := err != nil && !errors.Is(err, tun.ErrTooManySegments)
		if ended {
			outbounds.Delete(o.wrapper)
			close(o.closed)
		}
		o.others.results <- readResult{n, err}
		if ended {
			return
		}
		<-o.others.taken
	}
}

// take copies what was read by the library's way, and lets that go on.
func (r *othersRead) take(result readResult, bufs [][]byte, sizes []int, offset int) (int, error) {
	for i := range result.n {
		sizes[i] = copy(bufs[i][offset:], r.bufs[i][offset:offset+r.sizes[i]])
	}
	r.taken <- struct{}{}
	return result.n, result.err
}
