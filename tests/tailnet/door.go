package main

// A listening TCP port that can be shut, frozen and opened again.

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
)

// doorState says how a door treats those who knock.
type doorState int

const (
	// doorOpen lets everything pass.
	doorOpen doorState = iota
	// doorFrozen accepts connections and lets no byte through, old connections
	// included. What was held passes when the door opens again.
	doorFrozen
	// doorShut refuses connections and has cut those that were there.
	doorShut
)

// door is a net.Listener on one port for all its life. While it is shut a bound
// socket that does not listen keeps the port from being given to somebody else.
type door struct {
	addr        netip.AddrPort
	reservation *reservation

	mu          sync.Mutex
	state       doorState
	changed     chan struct{} // closed and replaced at each change of state
	listener    net.Listener  // nil while shut
	connections map[*doorConn]struct{}
	closed      bool
}

// newDoor returns an open door on a free port of host.
func newDoor(host netip.Addr) (*door, error) {
	r, err := reservePort(host)
	if err != nil {
		return nil, fmt.Errorf("reserving a port on %s: %w", host, err)
	}
	listener, err := net.Listen("tcp", r.addr.String())
	if err != nil {
		r.close()
		return nil, err
	}
	return &door{
		addr:        r.addr,
		reservation: r,
		changed:     make(chan struct{}),
		listener:    listener,
		connections: make(map[*doorConn]struct{}),
	}, nil
}

func (d *door) port() int      { return int(d.addr.Port()) }
func (d *door) Addr() net.Addr { return net.TCPAddrFromAddrPort(d.addr) }

// set changes the state. When it returns, connects meet the new state.
func (d *door) set(state doorState) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return net.ErrClosed
	}
	if state == doorShut {
		d.shutLocked()
	} else if d.listener == nil {
		listener, err := net.Listen("tcp", d.addr.String())
		if err != nil {
			return fmt.Errorf("opening %s again: %w", d.addr, err)
		}
		d.listener = listener
	}
	d.state = state
	close(d.changed)
	d.changed = make(chan struct{})
	return nil
}

// Accept implements net.Listener. It waits while the door is shut.
func (d *door) Accept() (net.Conn, error) {
	for {
		d.mu.Lock()
		listener, changed, closed := d.listener, d.changed, d.closed
		d.mu.Unlock()
		if closed {
			return nil, net.ErrClosed
		}
		if listener == nil {
			<-changed
			continue
		}
		raw, err := listener.Accept()
		if c, keep := d.admit(raw, listener); c != nil {
			return c, nil
		} else if keep && err != nil {
			return nil, err
		}
	}
}

// admit makes a freshly accepted connection one of the door's, unless the door
// was shut meanwhile. keep says whether listener is still the current one.
func (d *door) admit(raw net.Conn, listener net.Listener) (c net.Conn, keep bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	keep = d.listener == listener
	if raw == nil {
		return nil, keep
	}
	if !keep {
		raw.Close()
		return nil, false
	}
	passing := &doorConn{Conn: raw, door: d, done: make(chan struct{})}
	d.connections[passing] = struct{}{}
	return passing, true
}

// Close implements net.Listener; connections are cut too.
func (d *door) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	d.shutLocked()
	close(d.changed)
	d.reservation.close()
	return nil
}

func (d *door) shutLocked() {
	if d.listener != nil {
		d.listener.Close()
		d.listener = nil
	}
	for c := range d.connections {
		delete(d.connections, c)
		c.end()
	}
}

// doorConn is a connection through a door: it holds bytes back while the door is
// frozen. Deadlines do not end that wait; closing does.
type doorConn struct {
	net.Conn
	door *door
	once sync.Once
	done chan struct{}
}

func (c *doorConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.wait()
	return n, err
}

func (c *doorConn) Write(p []byte) (int, error) {
	c.wait()
	return c.Conn.Write(p)
}

func (c *doorConn) Close() error {
	c.door.mu.Lock()
	delete(c.door.connections, c)
	c.door.mu.Unlock()
	return c.end()
}

func (c *doorConn) end() (err error) {
	c.once.Do(func() {
		close(c.done)
		err = c.Conn.Close()
	})
	return err
}

// wait returns when the door is not frozen or the connection has ended.
func (c *doorConn) wait() {
	for {
		c.door.mu.Lock()
		frozen, changed := c.door.state == doorFrozen, c.door.changed
		c.door.mu.Unlock()
		if !frozen {
			return
		}
		select {
		case <-changed:
		case <-c.done:
			return
		}
	}
}
