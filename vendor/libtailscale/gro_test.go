package main

import (
	"net/netip"
	"slices"
	"testing"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	stackgro "gvisor.dev/gvisor/pkg/tcpip/stack/gro"
	"tailscale.com/net/packet"
	"tailscale.com/net/tstun"
	"tailscale.com/wgengine/filter"
	"tailscale.com/wgengine/netstack/gro"
)

// groPayload is how long the segments of these tests are.
const groPayload = 100

// groPorts are three connections' that share one of the library's eight lists.
var groPorts = []uint16{40000, 40008, 40016}

// groSegment is a segment's packet; its number says where it stands in its connection.
func groSegment(to netip.Addr, port uint16, number uint32, flags header.TCPFlags) []byte {
	return wholeSegment{
		from: netip.MustParseAddr("100.99.98.97"), to: to, port: port,
		number: 1 + number*groPayload, flags: flags, payload: make([]byte, groPayload),
	}.packet()
}

// delivered is what a stack was given: a connection's port, and how many segments.
type delivered struct {
	port     uint16
	segments int
}

// deliveries stands where the stack does.
type deliveries []delivered

func (d *deliveries) DeliverNetworkPacket(_ tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	raw := pkt.ToView().AsSlice()
	segment := header.TCP(header.IPv4(raw).Payload())
	*d = append(*d, delivered{segment.SourcePort(), len(segment.Payload()) / groPayload})
}

func (d *deliveries) DeliverLinkPacket(tcpip.NetworkProtocolNumber, *stack.PacketBuffer) {}

// take adds packets to a batch as the network stack of tsnet does.
func (d *deliveries) take(p *packet.Parsed, _ *tstun.Wrapper, batch *gro.GRO) (filter.Response, *gro.GRO) {
	if batch == nil {
		batch = gro.NewGRO()
		batch.SetDispatcher(d)
	}
	batch.Enqueue(p)
	return filter.DropSilently, batch
}

func TestABatchIsFlushedWhole(t *testing.T) {
	if err := checkLayout(); err != nil {
		t.Fatal(err)
	}
	to := netip.MustParseAddr("100.99.98.96")
	var got deliveries
	take := flushedWhole(got.take)
	var batch *gro.GRO
	add := func(port uint16, number uint32, flags header.TCPFlags) {
		t.Helper()
		var p packet.Parsed
		p.Decode(groSegment(to, port, number, flags))
		response, after := take(&p, nil, batch)
		if response != filter.DropSilently || batch != nil && after != batch {
			t.Fatalf("the packet got %v, the batch changed: %v", response, after != batch)
		}
		batch = after
	}
	for number := range uint32(2) {
		for _, port := range groPorts {
			add(port, number, 0)
		}
	}
	if len(got) > 0 {
		t.Fatalf("delivered before the batch ended: %v", got)
	}
	// One that has to be delivered at once leaves the others where they are.
	add(40024, 0, header.TCPFlagPsh)
	if want := (deliveries{{40024, 1}}); !slices.Equal(got, want) {
		t.Fatalf("delivered at once: %v, want %v", got, want)
	}
	add(groPorts[2], 2, 0)
	batch.Flush()
	want := deliveries{{40024, 1}, {groPorts[0], 2}, {groPorts[1], 2}, {groPorts[2], 3}}
	if !slices.Equal(got, want) {
		t.Errorf("delivered %v, want %v", got, want)
	}
}

func TestAPacketAloneIsABatch(t *testing.T) {
	var got deliveries
	var p packet.Parsed
	p.Decode(groSegment(netip.MustParseAddr("100.99.98.96"), groPorts[0], 0, 0))
	_, batch := flushedWhole(got.take)(&p, nil, nil)
	batch.Flush()
	if want := (deliveries{{groPorts[0], 1}}); !slices.Equal(got, want) {
		t.Errorf("delivered %v, want %v", got, want)
	}
}

func TestABatchWithoutAStackGoesNowhere(t *testing.T) {
	take := flushedWhole((*deliveries)(nil).take)
	batch := gro.NewGRO()
	for number := range uint32(2) {
		var p packet.Parsed
		p.Decode(groSegment(netip.MustParseAddr("100.99.98.96"), groPorts[0], number, header.TCPFlagPsh))
		take(&p, nil, batch)
	}
	batch.Flush()
}

// Should this fail, the library flushes whole by itself, and gro.go is not needed.
func TestTheLibrarysFlushLeavesSegmentsBehind(t *testing.T) {
	var got deliveries
	var lists stackgro.GRO
	lists.Init(true)
	lists.Dispatcher = &got
	for _, port := range groPorts {
		raw := groSegment(netip.MustParseAddr("100.99.98.96"), port, 0, 0)
		pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(raw)})
		pkt.NetworkProtocolNumber = header.IPv4ProtocolNumber
		lists.Enqueue(pkt)
		pkt.DecRef()
	}
	for _, port := range groPorts {
		lists.Flush()
		if last := got[len(got)-1]; last.port != port {
			t.Errorf("%v came, want %d by itself", last, port)
		}
	}
}

func TestANodesBatchesAreFlushedWhole(t *testing.T) {
	n := newTailnet(t).node(t, nodeConfig{})
	tun := n.server.Sys().Tun.Get()
	var batch *gro.GRO
	for _, port := range groPorts {
		var p packet.Parsed
		p.Decode(groSegment(n.ip, port, 0, 0))
		_, batch = tun.PostFilterPacketInboundFromWireGuard(&p, tun, batch)
	}
	if batch == nil {
		t.Fatal("the network stack does not join what it is given")
	}
	if _, ok := listsOf(batch).Dispatcher.(*groFlusher); !ok {
		t.Error("the batch is not flushed whole")
	}
	batch.Flush()
}
