package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"sync"
	"time"
	"unsafe"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/seqnum"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	stackgro "gvisor.dev/gvisor/pkg/tcpip/stack/gro"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
	"tailscale.com/wgengine/netstack"
	"tailscale.com/wgengine/netstack/gro"
)

// gonet hides what honest ends need: it cannot abort with RST, cannot set
// keepalive, flattens errors to text, and does not tell what the peer has
// acknowledged. This file takes the gVisor endpoint out of gonet's connection by
// the offset of its unexported fields. checkLayout verifies names and types once
// at a node's start, and go.sum pins gVisor, so a change of either is an error
// with a name and never a wrong read.

// layout holds the offsets that checkLayout has verified.
var layout struct {
	once          sync.Once
	err           error
	endpoint      uintptr // gonet.TCPConn.ep
	queue         uintptr // gonet.TCPConn.wq
	sendLock      uintptr // the sync.Mutex inside tcp.Endpoint's send queue
	sendBufferLen uintptr // tcp.Endpoint's SndBufUsed
	sender        uintptr // tcp.Endpoint.snd
	window        uintptr // the sender's SndWnd
	stack         uintptr // netstack.Impl.ipstack
	flowEndpoint  uintptr // gonet.UDPConn.ep
	flowQueue     uintptr // gonet.UDPConn.wq
	lists         uintptr // the gVisor GRO inside tailscale's
}

// checkLayout finds the fields that this half reads.
func checkLayout() error {
	layout.once.Do(func() {
		conn, ep := reflect.TypeFor[gonet.TCPConn](), reflect.TypeFor[tcp.Endpoint]()
		var find fieldFinder
		layout.endpoint = find.offset(conn, reflect.TypeFor[tcpip.Endpoint](), "ep")
		layout.flowEndpoint = find.offset(reflect.TypeFor[gonet.UDPConn](), reflect.TypeFor[tcpip.Endpoint](), "ep")
		layout.flowQueue = find.offset(reflect.TypeFor[gonet.UDPConn](), reflect.TypeFor[*waiter.Queue](), "wq")
		layout.queue = find.offset(conn, reflect.TypeFor[*waiter.Queue](), "wq")
		layout.sendBufferLen = find.offset(ep, reflect.TypeFor[int](), "sndQueueInfo", "SndBufUsed")
		layout.sendLock = find.offset(ep, reflect.TypeFor[sync.Mutex](), "sndQueueInfo", "sndQueueMu", "mu", "m", "m")
		layout.sender = find.offset(ep, nil, "snd")
		if field, ok := ep.FieldByName("snd"); ok && field.Type.Kind() == reflect.Pointer {
			layout.window = find.offset(field.Type.Elem(), reflect.TypeFor[seqnum.Size](), "SndWnd")
		}
		layout.stack = find.offset(reflect.TypeFor[netstack.Impl](), reflect.TypeFor[*stack.Stack](), "ipstack")
		layout.lists = find.offset(reflect.TypeFor[gro.GRO](), reflect.TypeFor[stackgro.GRO](), "gro")
		layout.err = find.err
	})
	return layout.err
}

// fieldOffset adds up the offsets on the way to a field, and checks its type
// unless want is nil.
func fieldOffset(t, want reflect.Type, path ...string) (offset uintptr, err error) {
	for _, name := range path {
		field, ok := t.FieldByName(name)
		if !ok {
			return 0, fmt.Errorf("%v has no field %s", t, name)
		}
		// FieldByName descends into embedded structs.
		for i := range field.Index {
			offset += t.FieldByIndex(field.Index[:i+1]).Offset
		}
		t = field.Type
	}
	if want != nil && t != want {
		return 0, fmt.Errorf("the field %v is a %v, not a %v", path, t, want)
	}
	return offset, nil
}

// fieldFinder finds several fields, and keeps what is missing.
type fieldFinder struct{ err error }

// offset is fieldOffset's, or 0.
func (f *fieldFinder) offset(t, want reflect.Type, path ...string) uintptr {
	offset, err := fieldOffset(t, want, path...)
	f.err = errors.Join(f.err, err)
	return offset
}

// at is where a field of the value at base is.
func (f *fieldFinder) at(base unsafe.Pointer, t, want reflect.Type, path ...string) unsafe.Pointer {
	return unsafe.Add(base, f.offset(t, want, path...))
}

// endpoint is one end of a TCP connection in the node's network stack.
type endpoint struct {
	ep    *tcp.Endpoint
	queue *waiter.Queue
}

// openEndpoint takes the endpoint out of a connection that tsnet made.
func openEndpoint(conn net.Conn) (*endpoint, error) {
	if err := checkLayout(); err != nil {
		return nil, err
	}
	c, ok := conn.(*gonet.TCPConn)
	if !ok {
		return nil, fmt.Errorf("a %T is not a connection of the network stack", conn)
	}
	base := unsafe.Pointer(c)
	ep, ok := (*(*tcpip.Endpoint)(unsafe.Add(base, layout.endpoint))).(*tcp.Endpoint)
	if !ok {
		return nil, errors.New("the connection has no TCP endpoint")
	}
	return &endpoint{ep: ep, queue: *(**waiter.Queue)(unsafe.Add(base, layout.queue))}, nil
}

// addresses returns the remote and local address, known even after a reset.
func (e *endpoint) addresses() (remote, local netip.AddrPort) {
	id := e.ep.Info().(*stack.TransportEndpointInfo).ID
	return addrPort(id.RemoteAddress, id.RemotePort), addrPort(id.LocalAddress, id.LocalPort)
}

func addrPort(a tcpip.Address, port uint16) netip.AddrPort {
	ip, _ := netip.AddrFromSlice(a.AsSlice())
	return netip.AddrPortFrom(ip.Unmap(), port)
}

// keepaliveProbes is how many unanswered probes end a connection. They are sent
// over as long a time as the idle time before them, so that a peer that vanished
// is gone within twice the setting.
const keepaliveProbes = 4

// shortestProbeGap is above the 500 ms within which a peer's stack (gVisor's
// TCPInvalidRateLimit, Linux's tcp_invalid_ratelimit) answers only one probe.
const shortestProbeGap = 600 * time.Millisecond

// setKeepalive probes the peer after idle time; 0 turns probing off.
func (e *endpoint) setKeepalive(idle time.Duration) {
	e.ep.SocketOptions().SetKeepAlive(idle > 0)
	if idle <= 0 {
		return
	}
	before := tcpip.KeepaliveIdleOption(idle)
	between := tcpip.KeepaliveIntervalOption(max(idle/keepaliveProbes, shortestProbeGap))
	e.ep.SetSockOpt(&before)
	e.ep.SetSockOpt(&between)
	e.ep.SetSockOptInt(tcpip.KeepaliveCountOption, keepaliveProbes)
}

// notify returns a channel that receives when an event of the mask may have
// happened, and a function that ends the subscription.
func (e *endpoint) notify(mask waiter.EventMask) (<-chan struct{}, func()) {
	entry, ready := waiter.NewChannelEntry(mask | waiter.EventHUp | waiter.EventErr)
	e.queue.EventRegister(&entry)
	return ready, func() { e.queue.EventUnregister(&entry) }
}

// read takes what has arrived, without waiting: ErrWouldBlock when nothing has.
func (e *endpoint) read(buf []byte) (int, tcpip.Error) {
	w := tcpip.SliceWriter(buf)
	result, err := e.ep.Read(&w, tcpip.ReadOptions{})
	if result.Count > 0 {
		e.ep.ModerateRecvBuf(result.Count)
	}
	return result.Count, err
}

// write queues all of buf, waiting for room as needed, as long as the watch lets it. It
// returns what is not queued.
func (e *endpoint) write(buf []byte, stall *stallWatch) ([]byte, tcpip.Error) {
	var ready <-chan struct{}
	var source bytes.Reader
	for len(buf) > 0 {
		source.Reset(buf)
		n, err := e.ep.Write(&source, tcpip.WriteOptions{})
		buf = buf[n:]
		switch err.(type) {
		case nil:
		case *tcpip.ErrWouldBlock:
			if ready == nil {
				// Subscribe, then try again: room may have come meanwhile.
				var done func()
				ready, done = e.notify(waiter.WritableEvents)
				defer done()
				continue
			}
			if !stall.wait(ready) {
				return buf, nil
			}
		default:
			return buf, err
		}
	}
	return nil, nil
}

// closeWrite sends FIN after what is queued.
func (e *endpoint) closeWrite() tcpip.Error { return e.ep.Shutdown(tcpip.ShutdownWrite) }

// closeRead takes nothing more: what has arrived, or still does, is answered by RST
// once the other direction is closed too.
func (e *endpoint) closeRead() { e.ep.Shutdown(tcpip.ShutdownRead) }

// close lets go of the endpoint; the stack still delivers what is queued.
func (e *endpoint) close() { e.ep.Close() }

// abort sends RST and drops what is queued, unless the connection is over.
func (e *endpoint) abort() {
	switch tcp.EndpointState(e.ep.State()) {
	case tcp.StateError, tcp.StateClose:
	default:
		e.ep.Abort()
	}
	e.ep.Close()
}

// failed reports whether the connection ended by an error, not by FINs.
func (e *endpoint) failed() bool { return tcp.EndpointState(e.ep.State()) == tcp.StateError }

// unacknowledged is how many queued bytes the peer has not acknowledged. A FIN
// that is not acknowledged counts as one.
func (e *endpoint) unacknowledged() uint64 {
	switch tcp.EndpointState(e.ep.State()) {
	case tcp.StateError, tcp.StateClose, tcp.StateTimeWait, tcp.StateFinWait2:
		return 0
	case tcp.StateFinWait1, tcp.StateClosing, tcp.StateLastAck:
		return e.queued() + 1
	default:
		return e.queued()
	}
}

// windowClosed reports whether the peer has said that it has no room now.
func (e *endpoint) windowClosed() bool {
	e.ep.LockUser()
	defer e.ep.UnlockUser()
	sender := *(*unsafe.Pointer)(unsafe.Add(unsafe.Pointer(e.ep), layout.sender))
	return sender != nil && *(*seqnum.Size)(unsafe.Add(sender, layout.window)) == 0
}

// segmentsReceived counts what the peer has sent, acknowledgements included.
func (e *endpoint) segmentsReceived() uint64 {
	return e.ep.Stats().(*tcp.Stats).SegmentsReceived.Value()
}

// queued is the length of the send queue: not sent, or sent and not acknowledged.
func (e *endpoint) queued() uint64 {
	base := unsafe.Pointer(e.ep)
	lock := (*sync.Mutex)(unsafe.Add(base, layout.sendLock))
	lock.Lock()
	defer lock.Unlock()
	return uint64(max(0, *(*int)(unsafe.Add(base, layout.sendBufferLen))))
}
