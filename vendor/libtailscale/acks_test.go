package main

import (
	"bytes"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// wire keeps what is sent by it.
type wire struct {
	mu     sync.Mutex
	sent   []uint32 // acknowledgements
	closed bool
}

func (w *wire) WritePacket(pkt *stack.PacketBuffer) tcpip.Error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, header.TCP(pkt.TransportHeader().Slice()).AckNumber())
	return nil
}

func (w *wire) Close() { w.closed = true }

// since returns what was sent after so many.
func (w *wire) since(before int) []uint32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.sent[before:])
}

// testSegment is a segment to be made.
type testSegment struct {
	from    uint16 // its port
	flags   header.TCPFlags
	ack     uint32
	payload int
	options []byte
	ipv6    bool
}

func (p testSegment) make() *stack.PacketBuffer {
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{
		ReserveHeaderBytes: header.IPv6MinimumSize + header.TCPHeaderMaximumSize,
		Payload:            buffer.MakeWithData(make([]byte, p.payload)),
	})
	length := header.TCPMinimumSize + len(p.options)
	segment := header.TCP(pkt.TransportHeader().Push(length))
	segment.Encode(&header.TCPFields{
		SrcPort: p.from, DstPort: 2, AckNum: p.ack, Flags: p.flags, DataOffset: uint8(length),
	})
	copy(segment[header.TCPMinimumSize:], p.options)
	pkt.TransportProtocolNumber = header.TCPProtocolNumber
	if p.ipv6 {
		header.IPv6(pkt.NetworkHeader().Push(header.IPv6MinimumSize)).Encode(&header.IPv6Fields{})
		pkt.NetworkProtocolNumber = header.IPv6ProtocolNumber
	} else {
		header.IPv4(pkt.NetworkHeader().Push(header.IPv4MinimumSize)).Encode(&header.IPv4Fields{})
		pkt.NetworkProtocolNumber = header.IPv4ProtocolNumber
	}
	pkt.Hash = 7 // all in one slot
	return pkt
}

// delaying is a delayer with packets on their way through it.
type delaying struct {
	*ackDelayer
	wire *wire
	made []*stack.PacketBuffer
}

func newDelaying() *delaying {
	w := &wire{}
	return &delaying{ackDelayer: newAckDelayer(w, 1280), wire: w}
}

// send has the stack send packets, one after the other, and returns what was sent of them
// at once.
func (d *delaying) send(t *testing.T, packets ...testSegment) []uint32 {
	t.Helper()
	before := len(d.wire.since(0))
	for _, p := range packets {
		pkt := p.make()
		d.made = append(d.made, pkt)
		if err := d.WritePacket(pkt); err != nil {
			t.Fatal(err)
		}
	}
	return d.wire.since(before)
}

// later returns what is sent when nothing else is.
func (d *delaying) later() []uint32 {
	before := len(d.wire.since(0))
	time.Sleep(ackDelay)
	synctest.Wait()
	return d.wire.since(before)
}

// none reports that nothing holds a packet but who made it.
func (d *delaying) none(t *testing.T) {
	t.Helper()
	for i, pkt := range d.made {
		if n := pkt.ReadRefs(); n != 1 {
			t.Errorf("packet %d is held %d times", i, n)
		}
	}
}

const (
	ack = header.TCPFlagAck
	fin = header.TCPFlagFin | ack
)

func TestAnAcknowledgementGoesWithWhatIsSentAnyway(t *testing.T) {
	begin := testSegment{flags: header.TCPFlagSyn | ack, ack: 100}
	plain := testSegment{flags: ack, ack: 101}
	for _, c := range []struct {
		name    string
		packets []testSegment
		atOnce  []uint32
		later   []uint32
	}{
		{"by itself it waits", []testSegment{plain}, nil, []uint32{101}},
		{"data takes it along", []testSegment{plain, {flags: ack, ack: 101, payload: 1}}, []uint32{101}, nil},
		{"an end takes it along", []testSegment{plain, {flags: fin, ack: 101}}, []uint32{101}, nil},
		{"every second one goes at once", []testSegment{plain, {flags: ack, ack: 102}, {flags: ack, ack: 103}}, []uint32{102}, []uint32{103}},
		{"the same once more goes at once", []testSegment{{flags: ack, ack: 100}}, []uint32{100}, nil},
		{"a window that opens goes at once", []testSegment{plain, plain}, []uint32{101}, nil},
		{"one for two segments goes at once", []testSegment{{flags: ack, ack: 100 + 2*1208}}, []uint32{100 + 2*1208}, nil},
		{"one for a segment waits", []testSegment{{flags: ack, ack: 100 + 1240}}, nil, []uint32{100 + 1240}},
		{"one from before goes at once", []testSegment{{flags: ack, ack: 99}}, []uint32{99}, nil},
		{"data goes at once", []testSegment{{flags: ack, ack: 101, payload: 1}}, []uint32{101}, nil},
		{"an end goes at once", []testSegment{{flags: fin, ack: 101}}, []uint32{101}, nil},
		{"a reset goes at once", []testSegment{plain, {flags: header.TCPFlagRst | ack, ack: 101}}, []uint32{101}, nil},
		{"a gap goes at once", []testSegment{{flags: ack, ack: 101, options: []byte{1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2}}}, []uint32{101}, nil},
		{"what is not understood goes at once", []testSegment{{flags: ack, ack: 101, options: []byte{8, 0, 0, 0}}}, []uint32{101}, nil},
		{"times are no gap", []testSegment{{flags: ack, ack: 101, options: []byte{1, 1, 8, 10, 0, 0, 0, 5, 5, 5, 5, 5}}}, nil, []uint32{101}},
		{"IPv6", []testSegment{{flags: ack, ack: 100, payload: 1, ipv6: true}, {flags: ack, ack: 101, ipv6: true}}, []uint32{100}, []uint32{101}},
		{"another connection does not say it", []testSegment{plain, {from: 9, flags: ack, ack: 500, payload: 1}}, []uint32{101, 500}, nil},
		{"nothing is known of another connection", []testSegment{{from: 9, flags: ack, ack: 101}}, []uint32{101}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDelaying()
				d.send(t, begin)
				if got := d.send(t, c.packets...); !slices.Equal(got, c.atOnce) {
					t.Errorf("%d were sent at once, not %d", got, c.atOnce)
				}
				if got := d.later(); !slices.Equal(got, c.later) {
					t.Errorf("%d were sent later, not %d", got, c.later)
				}
				d.none(t)
			})
		})
	}
}

func TestTheFirstWordOfAConnectionIsNotDelayed(t *testing.T) {
	d := newDelaying()
	got := d.send(t, testSegment{flags: header.TCPFlagSyn}, testSegment{flags: ack, ack: 1})
	if want := []uint32{0, 1}; !slices.Equal(got, want) {
		t.Errorf("%d were sent at once, not %d", got, want)
	}
}

func TestEachAcknowledgementWaitsItsOwnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDelaying()
		d.send(t, testSegment{flags: ack, ack: 100, payload: 1}, testSegment{flags: ack, ack: 101})
		time.Sleep(ackDelay / 2)
		d.send(t, testSegment{flags: ack, ack: 101, payload: 1}, testSegment{flags: ack, ack: 102})
		before := len(d.wire.since(0))
		time.Sleep(ackDelay / 2)
		synctest.Wait()
		if got := d.wire.since(before); len(got) > 0 {
			t.Errorf("%d came in another's time", got)
		}
		time.Sleep(ackDelay / 2)
		synctest.Wait()
		if got := d.wire.since(before); !slices.Equal(got, []uint32{102}) {
			t.Errorf("%d came in its time", got)
		}
		d.none(t)
	})
}

func TestWhatEndsDelaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDelaying()
		d.send(t, testSegment{flags: ack, ack: 100, payload: 1}, testSegment{flags: ack, ack: 101})
		d.stop()
		d.send(t, testSegment{flags: ack, ack: 102})
		if want := []uint32{100, 101, 102}; !slices.Equal(d.wire.since(0), want) {
			t.Errorf("%d were sent, not %d", d.wire.since(0), want)
		}
		d.none(t)
	})
	synctest.Test(t, func(t *testing.T) {
		d := newDelaying()
		d.send(t, testSegment{flags: ack, ack: 100, payload: 1}, testSegment{flags: ack, ack: 101})
		d.Close()
		if got := d.later(); len(got) > 0 || !d.wire.closed {
			t.Errorf("closed %v, and %d were sent after it", d.wire.closed, got)
		}
		d.none(t)
	})
}

func TestAnAnswerIsOnePacket(t *testing.T) {
	const rounds = 100
	l := newLink(t, nodeConfig{})
	near, far := l.connect(t, true)
	received := stackOf(l.peer).Stats().TCP.ValidSegmentsReceived
	before := received.Value()
	for i := range rounds {
		question, answer := []byte{byte(i)}, make([]byte, 1)
		for _, step := range []func() error{
			func() error { _, err := far.Write(question); return err },
			func() error { _, err := near.Read(answer); return err },
			func() error { _, err := near.Write(answer); return err },
			func() error { _, err := far.Read(answer); return err },
		} {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(answer, question) {
			t.Fatalf("%d was answered by %d", question, answer)
		}
	}
	// Some answers come too late on a busy machine.
	if got := received.Value() - before; got < rounds || got > rounds*3/2 {
		t.Errorf("the peer received %d segments for %d answers", got, rounds)
	}
	near.leave()
}
