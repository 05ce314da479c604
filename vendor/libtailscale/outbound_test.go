package main

import (
	"bytes"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"tailscale.com/net/packet"
	"tailscale.com/net/tstun"
	"tailscale.com/syncs"
	"tailscale.com/tstest/integration/testcontrol"
	"tailscale.com/tstime/mono"
	"tailscale.com/wgengine/filter"
)

// libraryWay counts what goes by it.
type libraryWay struct {
	stack.QueueingDiscipline
	segments, others atomic.Int64
}

func (l *libraryWay) WritePacket(pkt *stack.PacketBuffer) tcpip.Error {
	if pkt.TransportProtocolNumber == header.TCPProtocolNumber {
		l.segments.Add(1)
	} else {
		l.others.Add(1)
	}
	return l.QueueingDiscipline.WritePacket(pkt)
}

// watchLibraryWay counts from now on. The node has sent nothing yet.
func (n *seamNode) watchLibraryWay(t *testing.T) *libraryWay {
	t.Helper()
	o, ok := outbounds.Load(n.server.Sys().Tun.Get())
	if !ok {
		t.Fatal("the node's packets take the library's way")
	}
	out := o.(*outbound)
	way := &libraryWay{QueueingDiscipline: out.library}
	out.library = way
	return way
}

func TestSegmentsForPeersTakeNoneOfTheLibrarysWay(t *testing.T) {
	l := newLink(t, nodeConfig{})
	way := l.n.watchLibraryWay(t)
	l.inBothRoles(t, func(t *testing.T, near *stream, far net.Conn) {
		exchange(t, near, far, 1<<20)
		near.leave()
	})
	if _, ip6 := l.peer.TailscaleIPs(); !ip6.IsValid() {
		t.Error("the peer has no IPv6 address")
	} else {
		box := l.n.openDial(t, net.JoinHostPort(ip6.String(), linkPort), patience)
		near := box.announced(t, "dialed").claimed(t)
		far, err := l.far.Accept()
		if err != nil {
			t.Fatal(err)
		}
		exchange(t, near, far, 1<<20)
		near.leave()
	}
	if segments := way.segments.Load(); segments > 0 {
		t.Errorf("%d segments took it", segments)
	}
}

func TestANodeReachesItself(t *testing.T) {
	n := newTailnet(t).node(t, nodeConfig{})
	way := n.watchLibraryWay(t)
	inbox := n.openListen(t, ":"+linkPort)
	dialed := n.openDial(t, net.JoinHostPort(n.ip.String(), linkPort), patience).announced(t, "dialed").claimed(t)
	accepted := inbox.announced(t, "accepted").claimed(t)
	exchange(t, dialed, accepted, 1<<20)
	dialed.leave()
	accepted.leave()
	if way.segments.Load() == 0 {
		t.Error("its segments went to WireGuard, which has no peer for them")
	}
}

func TestAPeerMayKnowTheNodeByAnotherAddress(t *testing.T) {
	l := newLink(t, nodeConfig{})
	known := netip.MustParseAddr("100.127.1.2")
	var pair testcontrol.MasqueradePair
	tn := l.tailnet
	for _, node := range tn.control.AllNodes() {
		if node.Addresses[0].Addr() == l.n.ip {
			pair.Node = node.Key
		} else {
			pair.Peer = node.Key
		}
	}
	pair.NodeMasqueradesAs = known
	tn.control.SetMasqueradeAddresses([]testcontrol.MasqueradePair{pair})
	eventually(t, "the peer knows the address", func() bool {
		client, err := l.peer.LocalClient()
		if err != nil {
			t.Fatal(err)
		}
		who, err := client.WhoIs(t.Context(), known.String())
		return err == nil && who.Node != nil
	})
	far, err := l.peer.Dial(t.Context(), "tcp", net.JoinHostPort(known.String(), linkPort))
	if err != nil {
		t.Fatal(err)
	}
	near := l.inbox.announced(t, "accepted").claimed(t)
	exchange(t, near, far, 1<<20)
	near.leave()
}

// idleOutbound is one that nobody reads by itself, with nothing but peers.
func idleOutbound() *outbound {
	var isLocal syncs.AtomicValue[func(netip.Addr) bool]
	isLocal.Store(func(netip.Addr) bool { return false })
	o := newOutbound(&wire{}, &tstun.Wrapper{}, outboundPlaces{
		isLocal: &isLocal, peerConfig: new(unsafe.Pointer), lastActivity: new(mono.Time),
	})
	o.others.begin.Do(func() {})
	return o
}

// outboundSegment is a packet of the stack's, which stands for several segments when it
// holds more than one may.
func outboundSegment(number uint32, payload []byte, most int) *stack.PacketBuffer {
	ip := wholeSegment{
		from: netip.MustParseAddr("100.64.0.1"), to: netip.MustParseAddr("100.64.0.2"), port: 1,
		number: number, flags: header.TCPFlagPsh, payload: payload,
	}.packet()
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(ip)})
	pkt.NetworkHeader().Consume(header.IPv4MinimumSize)
	segment, _ := pkt.TransportHeader().Consume(header.TCPMinimumSize)
	pkt.NetworkProtocolNumber, pkt.TransportProtocolNumber = header.IPv4ProtocolNumber, header.TCPProtocolNumber
	if len(payload) > most {
		header.TCP(segment).SetChecksum(pseudoSum(ip))
		pkt.GSOOptions = stack.GSO{
			Type: stack.GSOTCPv4, NeedsCsum: true, CsumOffset: header.TCPChecksumOffset,
			MSS: uint16(most), L3HdrLen: header.IPv4MinimumSize,
		}
	}
	return pkt
}

func TestSmallPacketsAreReadTogetherAndLargeOnesAreSplit(t *testing.T) {
	const offset, most = 16, 100
	o := idleOutbound()
	// Only the large one waits for room, and finds that what was given is lost.
	o.underWay.most, o.underWay.stillFor, o.underWay.given = 1, time.Millisecond, 5
	sent := randomBytes(t, 1230)
	for at, end := 0, 0; at < len(sent); at = end {
		end = at + most/2
		if at == 3*most/2 {
			end = at + 10*most + 30
		}
		pkt := outboundSegment(uint32(at), sent[at:end], most)
		if err := o.WritePacket(pkt); err != nil {
			t.Fatal(err)
		}
		pkt.DecRef()
	}
	bufs, sizes := make([][]byte, batch), make([]int, batch)
	for i := range bufs {
		bufs[i] = make([]byte, 2000)
	}
	var got []byte
	for _, want := range []int{3, 11, 1} {
		n, err := o.read(bufs, sizes, offset)
		if n != want || err != nil {
			t.Fatalf("%d packets were read, %v, want %d", n, err, want)
		}
		for i := range n {
			ip := header.IPv4(bufs[i][offset : offset+sizes[i]])
			segment := header.TCP(ip.Payload())
			payload := segment.Payload()
			if !ip.IsChecksumValid() || sumOf(ip) != 0xffff {
				t.Errorf("at %d: a checksum is wrong", len(got))
			}
			if at := segment.SequenceNumber(); at != uint32(len(got)) {
				t.Errorf("at %d: the sequence number is %d", len(got), at)
			}
			if last := i == n-1; want == 11 && segment.Flags().Contains(header.TCPFlagPsh) != last {
				t.Errorf("at %d: pushed, or not", len(got))
			}
			got = append(got, payload...)
		}
	}
	if !bytes.Equal(got, sent) {
		t.Error("other bytes came")
	}
	if o.underWay.given != 12 || o.lastActivity.LoadAtomic() == 0 {
		t.Errorf("%d were given, active at %v", o.underWay.given, o.lastActivity.LoadAtomic())
	}
}

func TestAPacketThatIsInterceptedIsNotRead(t *testing.T) {
	o := idleOutbound()
	o.wrapper.PreFilterPacketOutboundToWireGuardAppConnectorIntercept = func(p *packet.Parsed, _ *tstun.Wrapper) filter.Response {
		if len(p.Payload()) == 7 {
			return filter.Accept
		}
		return filter.DropSilently
	}
	bufs, sizes := [][]byte{make([]byte, 200), make([]byte, 200)}, make([]int, 2)
	for number, length := range []int{1, 7, 150} {
		pkt := outboundSegment(uint32(number), make([]byte, length), 100)
		o.WritePacket(pkt)
		pkt.DecRef()
	}
	n, err := o.read(bufs, sizes, 0)
	if n != 1 || err != nil || header.TCP(header.IPv4(bufs[0][:sizes[0]]).Payload()).SequenceNumber() != 1 {
		t.Errorf("%d packets were read, %v", n, err)
	}
	if n, err := o.read(bufs, sizes, 0); n != 0 || err != nil {
		t.Errorf("%d packets were read, %v, which are to be dropped", n, err)
	}
}

func TestAPacketForNoReaderIsRefused(t *testing.T) {
	o := idleOutbound()
	pkt := outboundSegment(0, []byte{1}, 100)
	defer pkt.DecRef()
	for range mostQueued {
		if err := o.WritePacket(pkt); err != nil {
			t.Fatal(err)
		}
	}
	refused := make(chan tcpip.Error)
	go func() { refused <- o.WritePacket(pkt) }()
	close(o.closed)
	if err, ok := (<-refused).(*tcpip.ErrClosedForSend); !ok {
		t.Errorf("got %v", err)
	}
	if got := pkt.ReadRefs(); got != mostQueued+1 {
		t.Errorf("the packet is held %d times", got)
	}
}

func TestWhatIsNotCertainlyForAPeerTakesTheLibrarysWay(t *testing.T) {
	o := idleOutbound()
	from := func(address string) *stack.PacketBuffer {
		pkt := outboundSegment(0, []byte{1}, 100)
		header.IPv4(pkt.NetworkHeader().Slice()).SetSourceAddress(tcpip.AddrFrom4(netip.MustParseAddr(address).As4()))
		return pkt
	}
	udp, large := from("100.64.0.1"), outboundSegment(0, make([]byte, 1<<16), 100)
	udp.TransportProtocolNumber = header.UDPProtocolNumber
	for what, pkt := range map[string]*stack.PacketBuffer{
		"the service's address": from("100.100.100.100"), "a datagram": udp, "too large": large,
	} {
		if o.isForPeer(pkt) {
			t.Errorf("%s: it is for a peer", what)
		}
	}
	if !o.isForPeer(from("100.64.0.1")) {
		t.Error("a segment for a peer is not for it")
	}
}
