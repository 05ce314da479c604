package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"runtime/debug"
	"sync"
	"time"
)

// frameMax is TAILPORT_FRAME_MAX of tailscale.h: the largest payload of a frame.
const frameMax = 1 << 20

// mailbox is this side's end of one returned descriptor: messages go out, and
// the caller's closing of the other end comes in as a canceled context.
type mailbox struct {
	sock   *pairEnd                // nil when the messages stay in this half
	tell   func(message any) error // takes a message; by default to sock as a frame
	hand   hand                    // is offered each message first, unless nil
	ctx    context.Context
	cancel context.CancelFunc

	writing sync.Mutex // one frame at a time

	mu        sync.Mutex
	closed    bool
	unclaimed map[uint64]announced // here, and not yet claimed
}

// newMailbox makes a mailbox whose context ends with parent, and starts watching
// for the caller's close. The descriptor returned is the caller's.
func newMailbox(parent context.Context) (int, *mailbox, error) {
	theirs, ours, err := socketPair()
	if err != nil {
		return -1, nil, err
	}
	m := newInnerMailbox(parent, nil)
	m.sock, m.tell = ours, m.writeFrame
	go m.watchCaller()
	return theirs, m, nil
}

// newInnerMailbox makes a mailbox without a descriptor, for a call of this half that
// takes the messages itself. Who makes it closes it.
func newInnerMailbox(parent context.Context, tell func(message any) error) *mailbox {
	m := &mailbox{tell: tell, unclaimed: make(map[uint64]announced)}
	m.ctx, m.cancel = context.WithCancel(parent)
	registry.mailboxes.Add(1)
	return m
}

// watchCaller ends with the caller's close of its end, or with close.
func (m *mailbox) watchCaller() {
	defer registry.mailboxes.Add(-1)
	var ignored [64]byte
	for {
		if _, err := m.sock.Read(ignored[:]); err != nil {
			break
		}
	}
	m.close()
}

// run does the mailbox's work in a goroutine and closes the mailbox after it. A
// returned error, or a panic, is the last message.
func (m *mailbox) run(work func(ctx context.Context) error) {
	go func() {
		defer m.close()
		if err := guarded(func() error { return work(m.ctx) }); err != nil {
			m.sendError(err)
		}
	}()
}

// guarded turns a panic into an error, logging where it happened.
func guarded(work func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			logf("panic: %v\n%s", p, debug.Stack())
			err = &failure{kindInternal, fmt.Sprintf("panic: %v", p)}
		}
	}()
	return work()
}

// send hands one message over. It waits while the caller does not read, and fails
// when the mailbox is closed by either side.
func (m *mailbox) send(message any) error { return m.tell(message) }

func (m *mailbox) writeFrame(message any) error {
	payload, err := encode(message)
	if err != nil {
		return err
	}
	if len(payload) > frameMax {
		return fmt.Errorf("a message of %d bytes is over the limit of %d", len(payload), frameMax)
	}
	if m.hand != nil && m.hand(payload) {
		return nil
	}
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(payload)), uint32(len(payload)))
	return m.write(append(frame, payload...))
}

func (m *mailbox) write(bytes []byte) error {
	m.writing.Lock()
	defer m.writing.Unlock()
	_, err := m.sock.Write(bytes)
	return err
}

// errorGrace bounds how long the last words wait for a caller that does not
// read: a mailbox that ends must not outlive its node because of them.
const errorGrace = time.Second

func (m *mailbox) sendError(err error) {
	f := failureOf(err)
	if m.sock != nil {
		m.sock.SetWriteDeadline(time.Now().Add(errorGrace))
	}
	m.send(errorMessage{Type: "error", Kind: f.kind, Detail: clip(f.detail)})
}

// announce registers a connection or flow as this mailbox's and tells the caller of it.
// It is aborted when the telling fails.
func (m *mailbox) announce(messageType string, c announced) error {
	who := c.who()
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		c.abort()
		return net.ErrClosed
	}
	m.unclaimed[who.id] = c
	m.mu.Unlock()

	err := m.send(connectionMessage{Type: messageType, ID: who.id, Remote: who.remote, Local: who.local})
	if err != nil {
		c.abort()
	}
	return err
}

// forget takes a connection off the list of the unclaimed; false when it was not
// on it, because another call took it first.
func (m *mailbox) forget(id uint64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.unclaimed[id]
	delete(m.unclaimed, id)
	return ok
}

// waiting is how many are announced and not claimed.
func (m *mailbox) waiting() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.unclaimed)
}

// close ends the mailbox: its context, its descriptor, and every connection that
// was announced and not claimed. It may be called more than once.
func (m *mailbox) close() {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return
	}
	m.closed = true
	orphans := make([]announced, 0, len(m.unclaimed))
	for _, c := range m.unclaimed {
		orphans = append(orphans, c)
	}
	m.unclaimed = nil
	m.mu.Unlock()

	m.cancel()
	if m.sock == nil {
		registry.mailboxes.Add(-1) // nobody watches it
	} else {
		m.sock.Close()
	}
	for _, c := range orphans {
		c.abort()
	}
}
