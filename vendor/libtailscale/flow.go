package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"unsafe"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/waiter"
)

// flow is what goes between one UDP address of the tailnet and one of this node.
// It has no end of its own: the caller ends it, or the node.
type flow struct {
	identity
	node      *node
	box       *mailbox // where it was announced
	ep        tcpip.Endpoint
	queue     *waiter.Queue
	settled   chan struct{} // closed once claimed or aborted
	done      chan struct{} // closed once aborted
	more      chan struct{} // receives when something is kept
	leaveNode func() bool   // stops waiting for the node's end

	mu        sync.Mutex
	sock      *pairEnd // this side's end once claimed
	over      bool
	kept      [][]byte // framed datagrams from the tailnet, not yet taken by deliver
	keptBytes int
}

// What is kept for a caller that has not claimed a flow yet, or does not read.
// The stack's own queue is bounded by bytes alone, which empty datagrams do not
// have; so it is always read, and what does not fit here is dropped and counted.
// The last datagram may exceed the bytes.
const (
	keptUnclaimed      = 16
	keptBytesUnclaimed = 32 << 10
	keptClaimed        = 512
	keptBytesClaimed   = 256 << 10
)

// flowHead is the length of a datagram before it on the caller's socket.
const flowHead = 2

// newFlow takes over a UDP endpoint that tsnet made, and gives it an id.
func newFlow(n *node, box *mailbox, conn net.Conn) (*flow, error) {
	c, ok := conn.(*gonet.UDPConn)
	if !ok {
		conn.Close()
		return nil, fmt.Errorf("a %T is no flow of the network stack", conn)
	}
	base := unsafe.Pointer(c)
	f := &flow{
		node: n, box: box,
		ep:      *(*tcpip.Endpoint)(unsafe.Add(base, layout.flowEndpoint)),
		queue:   *(**waiter.Queue)(unsafe.Add(base, layout.flowQueue)),
		settled: make(chan struct{}),
		done:    make(chan struct{}),
		more:    make(chan struct{}, 1),
	}
	f.remote, f.local = udpAddress(c.RemoteAddr()), udpAddress(c.LocalAddr())
	addConnection(f)
	f.mu.Lock() // the node may be over already
	defer f.mu.Unlock()
	f.leaveNode = context.AfterFunc(n.ctx, f.abort)
	return f, nil
}

func udpAddress(address net.Addr) netip.AddrPort {
	udp, ok := address.(*net.UDPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := udp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
}

// begin starts to take what comes from the tailnet. Call it once announced.
func (f *flow) begin() { go f.guard(f.receive) }

// claim makes the socket pair and starts to use it. Without one it is still announced: the
// caller may try again or abort it.
func (f *flow) claim() (int, error) { return throughPair(f.claimThrough) }

func (f *flow) claimThrough(sock *pairEnd) error {
	claimed := f.box.forget(f.id)
	f.mu.Lock()
	claimed = claimed && !f.over
	if claimed {
		f.sock = sock
	}
	f.mu.Unlock()
	if !claimed {
		return syscall.EBADF
	}
	close(f.settled)
	go f.guard(f.deliver)
	go f.guard(f.pass)
	return nil
}

// guard ends the flow with the work, and keeps a fault from ending the process.
func (f *flow) guard(work func()) {
	guarded(func() error { work(); return nil })
	f.abort()
}

// abort ends the flow and retires its id.
func (f *flow) abort() {
	f.mu.Lock()
	if f.over {
		f.mu.Unlock()
		return
	}
	f.over = true
	f.kept, f.keptBytes = nil, 0
	sock := f.sock
	f.mu.Unlock()

	f.leaveNode()
	takeConnection(f.id)
	close(f.done)
	f.ep.Close()
	if sock == nil {
		f.box.forget(f.id)
		close(f.settled)
	} else {
		drain(sock)
		sock.Close()
	}
}

// release has nothing to do: a flow's id is retired with the flow.
func (f *flow) release() {}

func (f *flow) ends() (incoming, outgoing endState) { return stateOpen, stateOpen }

// unacknowledged is 0: nobody acknowledges a datagram.
func (f *flow) unacknowledged() uint64 { return 0 }

// joined is nothing: a flow goes through no junction.
func (f *flow) joined() passed { return passed{} }

// receive takes datagrams from the stack until the flow is over.
func (f *flow) receive() {
	entry, ready := waiter.NewChannelEntry(waiter.ReadableEvents | waiter.EventHUp | waiter.EventErr)
	f.queue.EventRegister(&entry)
	defer f.queue.EventUnregister(&entry)
	for {
		buf := buffers.Get().(*[pumpBuffer]byte)
		w := tcpip.SliceWriter(buf[flowHead:])
		result, err := f.ep.Read(&w, tcpip.ReadOptions{})
		if err == nil {
			binary.BigEndian.PutUint16(buf[:], uint16(result.Count))
			f.keep(buf[:flowHead+result.Count])
		}
		buffers.Put(buf)
		if _, empty := err.(*tcpip.ErrWouldBlock); empty {
			<-ready
		} else if err != nil && !passing(err) {
			return
		}
	}
}

// passing reports whether an error is news from the network about an earlier
// datagram. The peer may be there for the next one.
func passing(err tcpip.Error) bool {
	switch err.(type) {
	case *tcpip.ErrConnectionRefused, *tcpip.ErrHostUnreachable, *tcpip.ErrNetworkUnreachable, *tcpip.ErrMessageTooLong:
		return true
	default:
		return false
	}
}

// keep queues a framed datagram, or drops and counts it.
func (f *flow) keep(frame []byte) {
	f.mu.Lock()
	if f.over {
		f.mu.Unlock()
		return
	}
	most, mostBytes := keptUnclaimed, keptBytesUnclaimed
	if f.sock != nil {
		most, mostBytes = keptClaimed, keptBytesClaimed
	}
	full := len(f.kept) >= most || f.keptBytes >= mostBytes
	if !full {
		f.kept = append(f.kept, bytes.Clone(frame))
		f.keptBytes += len(frame)
	}
	f.mu.Unlock()
	if full {
		registry.droppedDatagrams.Add(1)
		return
	}
	select {
	case f.more <- struct{}{}:
	default:
	}
}

// deliver writes what is kept to the caller, who may be slow.
func (f *flow) deliver() {
	for {
		f.mu.Lock()
		frames := f.kept
		f.kept, f.keptBytes = nil, 0
		f.mu.Unlock()
		if len(frames) > 0 {
			if _, err := f.sock.Write(bytes.Join(frames, nil)); err != nil {
				return
			}
			continue
		}
		select {
		case <-f.more:
		case <-f.done:
			return
		}
	}
}

// pass sends what the caller writes, until the caller's end.
func (f *flow) pass() {
	var head [flowHead]byte
	for {
		if _, err := io.ReadFull(f.sock, head[:]); err != nil {
			return
		}
		size := binary.BigEndian.Uint16(head[:])
		buf := buffers.Get().(*[pumpBuffer]byte)
		_, err := io.ReadFull(f.sock, buf[:size])
		alive := err == nil && f.send(buf[:size])
		buffers.Put(buf)
		if !alive {
			return
		}
	}
}

// send sends one datagram, waiting for room as needed. What cannot be sent, for
// its size or for want of a way, is dropped and counted. False: the flow is over.
func (f *flow) send(datagram []byte) bool {
	var ready <-chan struct{}
	for told := false; ; {
		_, err := f.ep.Write(bytes.NewReader(datagram), tcpip.WriteOptions{})
		switch err.(type) {
		case nil:
			return true
		case *tcpip.ErrWouldBlock:
			if ready == nil {
				// Subscribe, then try again: room may have come meanwhile.
				entry, room := waiter.NewChannelEntry(waiter.WritableEvents | waiter.EventHUp | waiter.EventErr)
				f.queue.EventRegister(&entry)
				defer f.queue.EventUnregister(&entry)
				ready = room
				continue
			}
			select {
			case <-ready:
			case <-f.done:
				return false
			}
		case *tcpip.ErrClosedForSend, *tcpip.ErrInvalidEndpointState:
			return false
		default:
			if passing(err) && !told {
				told = true // of an earlier datagram, most likely
				continue
			}
			registry.droppedDatagrams.Add(1)
			return true
		}
	}
}
