package main

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"sync"
	"unsafe"

	"github.com/tailscale/wireguard-go/conn"
	"github.com/tailscale/wireguard-go/device"
	"github.com/tailscale/wireguard-go/tun"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"tailscale.com/net/tstun"
	"tailscale.com/syncs"
	"tailscale.com/tsnet"
	"tailscale.com/tstime/mono"
	"tailscale.com/wgengine/netstack"
)

// What tsnet keeps to itself on the way between the network stack and WireGuard, and how
// this half takes its place there. The names and types on the way are checked, and go.sum
// pins the modules, as for the network stack.

// takePlaces has a node, which has sent nothing yet, use this half's own pieces. Where one
// finds no place the library's stays, and the log says so.
func (n *node) takePlaces() {
	if err := sendDirectly(n.server); err != nil {
		logf("packets take the library's way: %v", err)
	}
	if acks, err := delayAcks(stackOf(n.server)); err != nil {
		logf("acknowledgements are not delayed: %v", err)
	} else {
		n.acks.Store(acks)
	}
	if err := boundPackets(n.server); err != nil {
		logf("packets under way have no bound: %v", err)
	}
	if err := flushWhole(n.server); err != nil {
		logf("segments may stay behind: %v", err)
	}
}

// wireguardOf finds a node's WireGuard.
func wireguardOf(server *tsnet.Server) (unsafe.Pointer, error) {
	engine := reflect.ValueOf(server.Sys().Engine.Get())
	if engine.Kind() != reflect.Pointer || engine.Type().Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("the engine is a %v", engine.Type())
	}
	offset, err := fieldOffset(engine.Type().Elem(), reflect.TypeFor[*device.Device](), "wgdev")
	if err != nil {
		return nil, err
	}
	return *(*unsafe.Pointer)(unsafe.Add(engine.UnsafePointer(), offset)), nil
}

// onlyLinkOf finds where a stack's only interface keeps what it sends its packets by, and
// how large they may be.
func onlyLinkOf(s *stack.Stack) (link *stack.QueueingDiscipline, mtu uint32, err error) {
	if s == nil {
		return nil, 0, errors.New("there is no network stack to be seen")
	}
	interfaces := s.NICInfo()
	if len(interfaces) != 1 {
		return nil, 0, fmt.Errorf("the network stack has %d interfaces", len(interfaces))
	}
	for id, info := range interfaces { // the only one
		link, err = linkOf(s, id)
		mtu = info.MTU
	}
	return link, mtu, err
}

// linkOf finds where an interface keeps what it sends its packets by. Names and types are
// checked on the way, as by checkLayout.
func linkOf(s *stack.Stack, id tcpip.NICID) (*stack.QueueingDiscipline, error) {
	stackType := reflect.TypeFor[stack.Stack]()
	nics, ok := stackType.FieldByName("nics")
	if !ok || nics.Type.Kind() != reflect.Map || nics.Type.Key() != reflect.TypeFor[tcpip.NICID]() || nics.Type.Elem().Kind() != reflect.Pointer {
		return nil, errors.New("the network stack's interfaces are not where they were")
	}
	link, err := fieldOffset(nics.Type.Elem().Elem(), reflect.TypeFor[stack.QueueingDiscipline](), "qDisc")
	if err != nil {
		return nil, err
	}
	// A pointer to what has no name here is a pointer.
	nic := (*(*map[tcpip.NICID]unsafe.Pointer)(unsafe.Add(unsafe.Pointer(s), nics.Offset)))[id]
	return (*stack.QueueingDiscipline)(unsafe.Add(nic, link)), nil
}

// outboundPlaces are where a node's packets pass on their way to WireGuard.
type outboundPlaces struct {
	device   *tun.Device // what WireGuard reads from
	bind     *conn.Bind  // what it sends by
	bindLock *sync.RWMutex

	isLocal      *syncs.AtomicValue[func(netip.Addr) bool]
	peerConfig   *unsafe.Pointer
	lastActivity *mono.Time
}

func findOutboundPlaces(server *tsnet.Server, wrapper *tstun.Wrapper) (places outboundPlaces, err error) {
	wireguard, err := wireguardOf(server)
	if err != nil {
		return places, err
	}
	var find fieldFinder
	impl := netstackOf(server)
	if impl == nil {
		return places, errors.New("there is no network stack to be seen")
	}
	dev, ns, tunnel := reflect.TypeFor[device.Device](), reflect.TypeFor[netstack.Impl](), reflect.TypeFor[tstun.Wrapper]()
	places.device = (*tun.Device)(find.at(wireguard, dev, reflect.TypeFor[tun.Device](), "tun", "device"))
	places.bind = (*conn.Bind)(find.at(wireguard, dev, reflect.TypeFor[conn.Bind](), "net", "bind"))
	places.bindLock = (*sync.RWMutex)(find.at(wireguard, dev, reflect.TypeFor[sync.RWMutex](), "net", "RWMutex"))
	places.isLocal = (*syncs.AtomicValue[func(netip.Addr) bool])(find.at(unsafe.Pointer(impl), ns,
		reflect.TypeFor[syncs.AtomicValue[func(netip.Addr) bool]](), "atomicIsLocalIPFunc"))
	places.lastActivity = (*mono.Time)(find.at(unsafe.Pointer(wrapper), tunnel, reflect.TypeFor[mono.Time](), "lastActivityAtomic"))
	places.peerConfig = (*unsafe.Pointer)(find.at(unsafe.Pointer(wrapper), tunnel, nil, "peerConfig"))
	if config, ok := tunnel.FieldByName("peerConfig"); ok && config.Type.Size() != unsafe.Sizeof(uintptr(0)) {
		find.err = errors.Join(find.err, fmt.Errorf("a peer's addresses are in a %v", config.Type))
	}
	return places, find.err
}

// sendDirectly has a node, which has sent nothing yet, send its packets without the
// library's queues. It is not seen by the race detector: WireGuard looks at its device
// without a lock, and finds one of two whole values there.
//
//go:norace
func sendDirectly(server *tsnet.Server) error {
	wrapper := server.Sys().Tun.Get()
	places, err := findOutboundPlaces(server, wrapper)
	if err != nil {
		return err
	}
	if before, ok := (*places.device).(*tstun.Wrapper); !ok || before != wrapper {
		return fmt.Errorf("WireGuard reads from a %T", *places.device)
	}
	link, _, err := onlyLinkOf(stackOf(server))
	if err != nil {
		return err
	}
	o := newOutbound(*link, wrapper, places)
	outbounds.Store(wrapper, o)

	places.bindLock.Lock()
	*places.bind = countingBind{*places.bind, o.underWay}
	places.bindLock.Unlock()

	// The first word of an interface is its type and methods, the second its value. One
	// word is written whole.
	var device tun.Device = (*tunnel)(unsafe.Pointer(wrapper))
	*(*uintptr)(unsafe.Pointer(places.device)) = *(*uintptr)(unsafe.Pointer(&device))
	*link = o

	// WireGuard is in the library's Read, and has to come out of it: with a packet of no
	// known version, which it drops.
	return wrapper.InjectOutbound([]byte{0})
}

func newOutbound(library stack.QueueingDiscipline, wrapper *tstun.Wrapper, places outboundPlaces) *outbound {
	return &outbound{
		library:      library,
		wrapper:      wrapper,
		closed:       make(chan struct{}),
		packets:      make(chan *stack.PacketBuffer, mostQueued),
		underWay:     newUnderWay(),
		others:       othersRead{results: make(chan readResult, 1), taken: make(chan struct{}, 1)},
		isLocal:      places.isLocal,
		peerConfig:   places.peerConfig,
		lastActivity: places.lastActivity,
	}
}
