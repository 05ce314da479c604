package main

// Load for a benchmark, and what serves it: over the tailnet, or on loopback from this
// machine. Both are made in this process, so that nothing but what is measured stands
// between them.
//
// A connection says first what it wants of its server, in a byte.

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"tailscale.com/tsnet"
)

const (
	wantSink     = 'S' // the server takes everything
	wantSource   = 'G' // the server sends until it cannot
	wantAnswers  = 'X' // the server answers each request
	wantOneReply = 'R' // the server answers one request and closes when the client has
)

// The sizes of writes and messages vary between these, so that nothing is tuned to one.
const (
	leastWrite, mostWrite     = 1 << 10, 256 << 10
	leastRequest, mostRequest = 64, 1 << 10
	leastAnswer, mostAnswer   = 64, 8 << 10
)

// firstEnd is how long a server that has answered its one request waits for the client
// to end first. Who does so keeps the port for a minute, and only a client picks its
// ports by which are free: a stock node does not answer the SYN that comes by one of
// those its own side keeps.
const firstEnd = 100 * time.Millisecond

func between(least, most int) int { return least + rand.IntN(most-least+1) }

// server is a benchmark's target.
type server struct {
	received atomic.Int64
	mu       sync.Mutex
	open     map[net.Conn]bool
}

// serveBench serves until the request ends. Each further line is COUNT, answered by the
// bytes that sinks have taken so far and the connections now, or END, which closes every
// connection first.
func serveBench(node *tsnet.Server, c net.Conn, address string) error {
	l, err := listenAt(node, address)
	if err != nil {
		return err
	}
	s := &server{open: map[net.Conn]bool{}}
	defer s.closeAll()
	defer l.Close()
	go acceptEach(l, s.serve)
	fmt.Fprintln(c, "OK")
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		if lines.Text() == "END" {
			s.closeAll()
		}
		if err := s.count(c); err != nil {
			return nil
		}
	}
	return nil
}

func listenAt(node *tsnet.Server, address string) (net.Listener, error) {
	if at, err := netip.ParseAddrPort(address); err == nil && at.Addr().IsLoopback() {
		return net.Listen("tcp", address)
	}
	return node.Listen("tcp", ":"+address)
}

// count says how many bytes have come and how many connections there are now.
func count(w io.Writer, received *atomic.Int64, open int) error {
	return json.NewEncoder(w).Encode(map[string]int64{"received": received.Load(), "open": int64(open)})
}

func (s *server) count(w io.Writer) error {
	s.mu.Lock()
	open := len(s.open)
	s.mu.Unlock()
	return count(w, &s.received, open)
}

func (s *server) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.open {
		conn.Close()
	}
}

func (s *server) serve(conn net.Conn) {
	s.mu.Lock()
	s.open[conn] = true
	s.mu.Unlock()
	defer func() {
		conn.Close()
		s.mu.Lock()
		delete(s.open, conn)
		s.mu.Unlock()
	}()
	var want [1]byte
	if _, err := io.ReadFull(conn, want[:]); err != nil {
		return
	}
	switch want[0] {
	case wantSink:
		sink(conn, &s.received)
	case wantSource:
		source(conn)
	case wantAnswers:
		scratch := make([]byte, mostAnswer)
		for answer(conn, scratch) == nil {
		}
	case wantOneReply:
		if answer(conn, make([]byte, mostAnswer)) == nil {
			conn.SetReadDeadline(time.Now().Add(firstEnd))
			conn.Read(want[:])
		}
	}
}

// sink reads to the end, counting.
func sink(conn net.Conn, received *atomic.Int64) {
	block := make([]byte, 128<<10)
	for {
		n, err := conn.Read(block)
		received.Add(int64(n))
		if err != nil {
			return
		}
	}
}

// source writes until that fails.
func source(conn net.Conn) {
	block := make([]byte, mostWrite)
	for {
		if _, err := conn.Write(block[:between(leastWrite, mostWrite)]); err != nil {
			return
		}
	}
}

// ask sends a request and reads its answer.
func ask(conn net.Conn, scratch []byte) error {
	request, answer := between(leastRequest, mostRequest), between(leastAnswer, mostAnswer)
	binary.BigEndian.PutUint16(scratch, uint16(request))
	binary.BigEndian.PutUint16(scratch[2:], uint16(answer))
	if _, err := conn.Write(scratch[:request]); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, scratch[:answer])
	return err
}

// answer serves one request.
func answer(conn net.Conn, scratch []byte) error {
	if _, err := io.ReadFull(conn, scratch[:4]); err != nil {
		return err
	}
	request, answer := binary.BigEndian.Uint16(scratch), binary.BigEndian.Uint16(scratch[2:])
	if request < leastRequest || request > mostRequest || answer > mostAnswer {
		return errors.New("not a request")
	}
	if _, err := io.ReadFull(conn, scratch[4:request]); err != nil {
		return err
	}
	_, err := conn.Write(scratch[:answer])
	return err
}
