package main

import (
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// The network stack acknowledges at once whatever comes: a request is answered by two
// packets, its acknowledgement and the answer, each of which is encrypted, sent, received
// and decrypted by itself. Here an acknowledgement waits a little, as RFC 1122, 4.2.3.2,
// has it and kernels do, since whatever the connection sends next acknowledges too. With
// it a connection for one request takes three packets to the peer in place of five.

const (
	// ackDelay is how long an acknowledgement waits at most. RFC 1122 allows half a
	// second, and kernels take 40 ms and more. A peer that sends small pieces and waits
	// for each to be acknowledged (Nagle's algorithm) is held up for as long; most targets
	// answer sooner.
	ackDelay = 5 * time.Millisecond

	// ackSlots is how many connections are known at a time.
	ackSlots = 1 << 10
)

// ackDelayer stands before the link of a network stack. The stack calls it with its own
// locks held.
type ackDelayer struct {
	link stack.QueueingDiscipline
	// atOnce is how much new data is acknowledged without delay: every second full
	// segment (RFC 5681, 4.2).
	atOnce uint32

	mu      sync.Mutex
	stopped bool
	slots   [ackSlots]ackSlot
	waiting []waitingAck // as they are due, with some that have gone meanwhile
	timer   *time.Timer
}

// ackSlot is what is known of a connection. Those that meet in one take turns.
type ackSlot struct {
	connection segmentAddress
	acked      uint32 // the newest acknowledgement that was sent
	known      bool   // whether one was
	held       *stack.PacketBuffer
	turn       uint64 // counts what was held
}

type waitingAck struct {
	slot *ackSlot
	turn uint64
	due  time.Time
}

// segmentAddress is a connection's addresses and ports.
type segmentAddress struct {
	addresses [2 * header.IPv6AddressSize]byte
	ports     [4]byte
}

// delayAcks has a stack, which has sent nothing yet, delay its acknowledgements.
//
//go:norace
func delayAcks(s *stack.Stack) (*ackDelayer, error) {
	link, mtu, err := onlyLinkOf(s)
	if err != nil {
		return nil, err
	}
	d := newAckDelayer(*link, mtu)
	*link = d
	return d, nil
}

func newAckDelayer(link stack.QueueingDiscipline, mtu uint32) *ackDelayer {
	d := &ackDelayer{link: link, atOnce: 2 * (mtu - header.IPv6MinimumSize - header.TCPHeaderMaximumSize)}
	d.timer = time.AfterFunc(ackDelay, d.sendDue)
	d.timer.Stop()
	return d
}

// WritePacket sends a packet, or keeps it for a while if all it does is acknowledge.
func (d *ackDelayer) WritePacket(pkt *stack.PacketBuffer) tcpip.Error {
	connection, ok := segmentAddressOf(pkt)
	if !ok {
		return d.link.WritePacket(pkt)
	}
	others, waits := d.take(connection, pkt)
	if others != nil {
		d.link.WritePacket(others)
		others.DecRef()
	}
	if waits {
		return nil
	}
	return d.link.WritePacket(pkt)
}

// take reports whether a packet waits. It returns one of another connection that has to go.
func (d *ackDelayer) take(connection segmentAddress, pkt *stack.PacketBuffer) (others *stack.PacketBuffer, waits bool) {
	segment := header.TCP(pkt.TransportHeader().Slice())
	ack := segment.AckNumber()
	d.mu.Lock()
	defer d.mu.Unlock()
	slot := &d.slots[pkt.Hash%ackSlots]
	held := slot.held
	slot.held = nil
	if slot.connection != connection {
		slot.connection, slot.known = connection, false
		held, others = nil, held
	}
	if held != nil {
		held.DecRef() // this one says it too
	} else if news := ack - slot.acked; slot.known && 0 < news && news < d.atOnce && !d.stopped && isPlainAck(pkt) {
		d.hold(slot, pkt)
		return others, true
	}
	slot.acked, slot.known = ack, segment.Flags().Contains(header.TCPFlagAck)
	return others, false
}

func (d *ackDelayer) hold(slot *ackSlot, pkt *stack.PacketBuffer) {
	slot.held = pkt.IncRef()
	slot.turn++
	d.waiting = append(d.waiting, waitingAck{slot, slot.turn, time.Now().Add(ackDelay)})
	if len(d.waiting) == 1 {
		d.timer.Reset(ackDelay)
	}
}

// sendDue sends what has waited long enough.
func (d *ackDelayer) sendDue() { d.send(time.Now()) }

// stop sends all that waits, and has nothing wait any more.
func (d *ackDelayer) stop() {
	d.mu.Lock()
	d.stopped = true
	d.mu.Unlock()
	d.send(time.Now().Add(ackDelay))
}

// send sends what is due by a time. What follows on the same connection waits meanwhile, so
// that no older acknowledgement comes after a newer one.
func (d *ackDelayer) send(by time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	gone := 0
	for _, w := range d.waiting {
		if held := w.slot.held; held != nil && w.slot.turn == w.turn {
			if w.due.After(by) {
				break
			}
			w.slot.held = nil
			w.slot.acked = header.TCP(held.TransportHeader().Slice()).AckNumber()
			d.link.WritePacket(held)
			held.DecRef()
		}
		gone++
	}
	d.waiting = append(d.waiting[:0], d.waiting[gone:]...)
	if len(d.waiting) > 0 {
		d.timer.Reset(time.Until(d.waiting[0].due))
	}
}

// Close ends with the interface, and drops what waits.
func (d *ackDelayer) Close() {
	d.mu.Lock()
	d.stopped = true
	d.timer.Stop()
	for _, w := range d.waiting {
		if held := w.slot.held; held != nil {
			w.slot.held = nil
			held.DecRef()
		}
	}
	d.waiting = nil
	d.mu.Unlock()
	d.link.Close()
}

// segmentAddressOf is false for what is no TCP segment.
func segmentAddressOf(pkt *stack.PacketBuffer) (a segmentAddress, ok bool) {
	network, segment := pkt.NetworkHeader().Slice(), pkt.TransportHeader().Slice()
	if pkt.TransportProtocolNumber != header.TCPProtocolNumber || len(segment) < header.TCPMinimumSize {
		return a, false
	}
	switch {
	case pkt.NetworkProtocolNumber == header.IPv4ProtocolNumber && len(network) >= header.IPv4MinimumSize:
		copy(a.addresses[:], network[12:20]) // RFC 791, 3.1
	case pkt.NetworkProtocolNumber == header.IPv6ProtocolNumber && len(network) >= header.IPv6MinimumSize:
		copy(a.addresses[:], network[8:40]) // RFC 8200, 3
	default:
		return a, false
	}
	copy(a.ports[:], segment)
	return a, true
}

// isPlainAck reports whether a segment does nothing but acknowledge, and without a gap.
func isPlainAck(pkt *stack.PacketBuffer) bool {
	segment := header.TCP(pkt.TransportHeader().Slice())
	return segment.Flags() == header.TCPFlagAck && pkt.Data().Size() == 0 && !tellsOfGap(segment.Options())
}

// tellsOfGap looks for a selective acknowledgement among a segment's options. Those that
// cannot be read may be one.
func tellsOfGap(options []byte) bool {
	for len(options) > 0 {
		switch options[0] {
		case header.TCPOptionEOL:
			return false
		case header.TCPOptionNOP:
			options = options[1:]
		case header.TCPOptionSACK:
			return true
		default:
			if len(options) < 2 || options[1] < 2 || int(options[1]) > len(options) {
				return true
			}
			options = options[options[1]:]
		}
	}
	return false
}
