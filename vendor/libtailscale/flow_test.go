package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"testing"
	"time"
)

// datagrams is the caller's end of a claimed flow.
type datagrams struct {
	*net.UnixConn
	f *flow
}

func (d *datagrams) put(t *testing.T, datagram []byte) {
	t.Helper()
	frame := binary.BigEndian.AppendUint16(nil, uint16(len(datagram)))
	if _, err := d.Write(append(frame, datagram...)); err != nil {
		t.Error(err)
	}
}

func (d *datagrams) get() ([]byte, error) {
	var head [flowHead]byte
	if _, err := io.ReadFull(d, head[:]); err != nil {
		return nil, err
	}
	datagram := make([]byte, binary.BigEndian.Uint16(head[:]))
	_, err := io.ReadFull(d, datagram)
	return datagram, err
}

// flow reads the announcement of a flow.
func (b *box) flow(t *testing.T, messageType string) *flow {
	t.Helper()
	var id uint64
	if err := json.Unmarshal(b.until(t, messageType)["id"], &id); err != nil {
		t.Fatal(err)
	}
	f, ok := findConnection(id).(*flow)
	if !ok {
		t.Fatalf("flow %d is not known", id)
	}
	return f
}

func (f *flow) take(t *testing.T) *datagrams {
	t.Helper()
	fd, err := f.claim()
	if err != nil {
		t.Fatal(err)
	}
	d := &datagrams{openCaller(t, fd), f}
	d.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { d.Close() })
	return d
}

// flows is a seam node that listens for UDP, and a stock peer that does too. They
// have spoken with each other.
type flows struct {
	*link
	inbox *box
	far   net.PacketConn
}

func newFlows(t *testing.T) *flows {
	t.Helper()
	l := &flows{link: newLink(t, nodeConfig{})}
	l.n.openPing(t, l.peerIP.String(), patience).until(t, "pong")
	near, far := l.link.connect(t, true)
	exchange(t, near, far, 1)
	near.leave()
	l.inbox = l.n.openListenOn(t, "udp", ":"+linkPort)
	var err error
	if l.far, err = l.peer.ListenPacket("udp", net.JoinHostPort(l.peerIP.String(), linkPort)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.far.Close() })
	l.far.SetDeadline(time.Now().Add(patience))
	return l
}

// client is a UDP socket of the peer, connected to the node.
func (l *flows) client(t *testing.T) net.Conn {
	t.Helper()
	conn, err := l.peer.Dial(t.Context(), "udp", net.JoinHostPort(l.n.ip.String(), linkPort))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return conn
}

func (l *flows) gone(t *testing.T) {
	t.Helper()
	eventually(t, "all flows are gone", func() bool { return count().connections == 0 })
	eventually(t, "no flow works", func() bool {
		return !stackHas("(*flow).receive(") && !stackHas("(*flow).deliver(") && !stackHas("(*flow).pass(")
	})
}

// arrives sends a datagram until it is received as it was. Another one is the
// second of one that was sent twice.
func arrives(t *testing.T, sent []byte, send func(), receive func() ([]byte, error)) {
	t.Helper()
	arrived, stopped := make(chan struct{}), make(chan struct{})
	defer func() { <-stopped }()
	defer close(arrived)
	send()
	go func() {
		defer close(stopped)
		for {
			select {
			case <-arrived:
				return
			case <-time.After(time.Second):
				send()
			}
		}
	}()
	for {
		got, err := receive()
		if err != nil {
			t.Fatalf("%d bytes: %v", len(sent), err)
		}
		if bytes.Equal(got, sent) {
			return
		}
	}
}

// sizes of datagrams: the last is what UDP over IPv4 can carry.
var sizes = []int{0, 1, 1200, 1280, 9000, 32 << 10, 65507}

func TestAFlowKeepsTheBoundariesOfDatagrams(t *testing.T) {
	l := newFlows(t)
	buf := make([]byte, 1<<16)
	t.Run("accepted", func(t *testing.T) {
		far := l.client(t)
		far.Write([]byte("hello"))
		near := l.inbox.flow(t, "accepted").take(t)
		for _, size := range sizes {
			sent := randomBytes(t, size)
			arrives(t, sent, func() { far.Write(sent) }, near.get)
			arrives(t, sent, func() { near.put(t, sent) }, func() ([]byte, error) {
				n, err := far.Read(buf)
				return buf[:n], err
			})
		}
		if near.f.remote.String() != far.LocalAddr().String() || near.f.local.String() != far.RemoteAddr().String() {
			t.Errorf("from %v to %v, not %v to %v", near.f.remote, near.f.local, far.LocalAddr(), far.RemoteAddr())
		}
		near.Close()
	})
	t.Run("dialed", func(t *testing.T) {
		box := l.n.openDialOn(t, "udp", net.JoinHostPort("peer", linkPort), patience)
		near := box.flow(t, "dialed").take(t)
		box.eof(t)
		for _, size := range sizes {
			sent := randomBytes(t, size)
			var from net.Addr
			arrives(t, sent, func() { near.put(t, sent) }, func() (got []byte, err error) {
				var n int
				n, from, err = l.far.ReadFrom(buf)
				return buf[:n], err
			})
			arrives(t, sent, func() { l.far.WriteTo(sent, from) }, near.get)
		}
		near.CloseWrite() // the caller's EOF ends it as well
	})
	l.gone(t)
}

func TestEveryClientIsAFlowOfItsOwn(t *testing.T) {
	const many = 60
	l := newFlows(t)
	clients := make([]net.Conn, many)
	for i := range clients {
		clients[i] = l.client(t)
		// The first datagrams wait for the claim.
		for part := range 3 {
			fmt.Fprintf(clients[i], "%v %d", clients[i].LocalAddr(), part)
		}
	}
	for range many {
		near := l.inbox.flow(t, "accepted").take(t)
		for part := range 3 {
			want := fmt.Sprintf("%v %d", near.f.remote, part)
			if got, err := near.get(); err != nil || string(got) != want {
				t.Fatalf("%q instead of %q, %v", got, want, err)
			}
		}
		near.put(t, []byte(near.f.remote.String()))
	}
	for _, client := range clients {
		var got [100]byte
		if n, err := client.Read(got[:]); err != nil || string(got[:n]) != client.LocalAddr().String() {
			t.Errorf("%v got %q, %v", client.LocalAddr(), got[:n], err)
		}
	}
	l.n.shut(t)
	l.gone(t)
}

func TestAFlowEndsWithItsCallerOrItsNode(t *testing.T) {
	l := newFlows(t)
	far := l.client(t)
	far.Write([]byte("one"))
	first := l.inbox.flow(t, "accepted").take(t)
	first.Close()
	eventually(t, "the id is retired", func() bool { return findConnection(first.f.id) == nil })
	// The same client's next datagram is a new flow.
	far.Write([]byte("two"))
	second := l.inbox.flow(t, "accepted")
	if second.id == first.f.id || second.remote != first.f.remote {
		t.Errorf("flow %d of %v after flow %d of %v", second.id, second.remote, first.f.id, first.f.remote)
	}
	near := second.take(t)
	if got, err := near.get(); err != nil || string(got) != "two" {
		t.Fatalf("%q, %v", got, err)
	}
	// A listener that closes leaves claimed flows alone.
	l.inbox.Close()
	near.put(t, []byte("three"))
	var buf [10]byte
	if n, err := far.Read(buf[:]); err != nil || string(buf[:n]) != "three" {
		t.Fatalf("%q, %v", buf[:n], err)
	}
	l.n.shut(t)
	if got, err := near.get(); err != io.EOF {
		t.Errorf("after the node's close: %q, %v", got, err)
	}
	l.gone(t)
}

func TestAFlowOutlivesAPeerThatDoesNotListen(t *testing.T) {
	l := newFlows(t)
	near := l.n.openDialOn(t, "udp", net.JoinHostPort(l.peerIP.String(), "9"), patience).flow(t, "dialed").take(t)
	near.put(t, []byte("is anybody there?"))
	near.put(t, randomBytes(t, 1<<16-1)) // more than UDP carries
	far, err := l.peer.ListenPacket("udp", net.JoinHostPort(l.peerIP.String(), "9"))
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	deadline := time.Now().Add(patience)
	var buf [100]byte
	for {
		// A datagram may be lost while the nodes look for their best path.
		near.put(t, []byte("and now?"))
		far.SetDeadline(time.Now().Add(time.Second))
		n, _, err := far.ReadFrom(buf[:])
		if err == nil && string(buf[:n]) == "and now?" {
			return
		}
		if err != nil && time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func TestAFlowNeverLeavesTheTailnet(t *testing.T) {
	tn := newTailnet(t)
	n := tn.node(t, nodeConfig{})
	for address, want := range map[string]kind{
		"127.0.0.1:53":       kindNotInTailnet,
		"10.1.2.3:53":        kindNotInTailnet,
		"100.100.100.100:53": kindNotInTailnet,
		":53":                kindBadAddress,
	} {
		t.Run(address, func(t *testing.T) { n.openDialOn(t, "udp", address, patience).failure(t, want) })
	}
}
