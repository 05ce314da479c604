package main

// Load: many connections at a time, made in this process so that they cost the
// test neither descriptors nor threads.

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"tailscale.com/tsnet"
)

// outcome is how connections ended, as the one who dialed them saw it.
type outcome struct {
	handshakes atomic.Int64 // completed
	echoed     atomic.Int64 // got their byte back, and a clean end
	reset      atomic.Int64 // were reset
	failed     atomic.Int64 // anything else
	first      atomic.Pointer[string]
}

// fail counts a connection that ended in no expected way, and keeps the first reason.
func (o *outcome) fail(step string, err error) {
	o.failed.Add(1)
	text := fmt.Sprintf("%s: %v", step, err)
	o.first.CompareAndSwap(nil, &text)
}

// report writes the outcome as one line.
func (o *outcome) report(w io.Writer, took time.Duration) error {
	line := map[string]any{
		"handshakes": o.handshakes.Load(),
		"echoed":     o.echoed.Load(),
		"reset":      o.reset.Load(),
		"failed":     o.failed.Load(),
		"seconds":    took.Seconds(),
	}
	if first := o.first.Load(); first != nil {
		line["first_failure"] = *first
	}
	return json.NewEncoder(w).Encode(line)
}

// load serves the requests of many connections; see the door's list.
func load(node *tsnet.Server, c net.Conn, words []string) error {
	if len(words) != 4 {
		return fmt.Errorf("not understood: %q", words)
	}
	address := words[1]
	amount, err := strconv.Atoi(words[2])
	if err != nil {
		return err
	}
	workers, err := strconv.Atoi(words[3])
	if err != nil {
		return err
	}
	ctx := context.Background()
	switch words[0] {
	case "HOLD":
		fmt.Fprintln(c, "OK")
		return hold(ctx, node, c, address, amount, workers)
	case "CHURN":
		fmt.Fprintln(c, "OK")
		return churn(ctx, node, c, address, amount, workers)
	case "STORM":
		fmt.Fprintln(c, "OK")
		return storm(ctx, node, c, address, time.Duration(amount)*time.Second, workers)
	}
	return fmt.Errorf("not understood: %q", words)
}

// hold opens connections, keeps them and says so; when as many dials have failed as there
// are workers, it tries the rest no more. Each further line has every one of them
// echo once; the end of the request closes them.
func hold(ctx context.Context, node *tsnet.Server, c net.Conn, address string, count, workers int) error {
	held := make([]net.Conn, count)
	defer func() {
		for _, conn := range held {
			if conn != nil {
				conn.Close()
			}
		}
	}()
	var opened outcome
	start := time.Now()
	each(workers, count, func(i int) {
		if opened.failed.Load() >= int64(workers) {
			return
		}
		dialing, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		conn, err := dialFrom(dialing, node, address)
		if err != nil {
			opened.fail("dialing", err)
			return
		}
		opened.handshakes.Add(1)
		held[i] = conn
	})
	if err := opened.report(c, time.Since(start)); err != nil {
		return nil
	}
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		var echoed outcome
		start := time.Now()
		each(workers, count, func(i int) {
			if held[i] == nil {
				return
			}
			if err := echo(held[i]); err != nil {
				echoed.fail("echoing", err)
				return
			}
			echoed.echoed.Add(1)
		})
		if err := echoed.report(c, time.Since(start)); err != nil {
			return nil
		}
	}
	return nil
}

// churn makes connections one after another, as many at a time as there are
// workers; each says a byte, hears it, and ends in the ordinary way.
func churn(ctx context.Context, node *tsnet.Server, c net.Conn, address string, count, workers int) error {
	var all outcome
	start := time.Now()
	each(workers, count, func(int) { once(ctx, node, address, &all) })
	return all.report(c, time.Since(start))
}

// storm attempts as many connections as it can for a time; each goes on until its
// outcome is known.
func storm(ctx context.Context, node *tsnet.Server, c net.Conn, address string, length time.Duration, workers int) error {
	var all outcome
	start := time.Now()
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for time.Since(start) < length {
				once(ctx, node, address, &all)
			}
		})
	}
	running.Wait()
	return all.report(c, time.Since(start))
}

// once makes a connection and takes it to its end. A connection whose handshake
// is complete on this side only is completed by what it sends next.
func once(ctx context.Context, node *tsnet.Server, address string, o *outcome) {
	dialing, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := dialFrom(dialing, node, address)
	if wasReset(err) {
		// A connect that is turned down is "refused": this reset came after the
		// handshake, before the dial was back.
		o.handshakes.Add(1)
		o.reset.Add(1)
		return
	}
	if err != nil {
		o.fail("dialing", err)
		return
	}
	defer conn.Close()
	o.handshakes.Add(1)
	switch err := errors.Join(echo(conn), finish(conn)); {
	case err == nil:
		o.echoed.Add(1)
	case wasReset(err):
		o.reset.Add(1)
	default:
		o.fail("after the handshake", err)
	}
}

// echo sends a byte and waits for it.
func echo(conn net.Conn) error {
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write([]byte{1}); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, make([]byte, 1))
	return err
}

// finish ends this side and waits for the other one's end.
func finish(conn net.Conn) error {
	if err := conn.(halfCloser).CloseWrite(); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, conn)
	return err
}

// dialFrom dials an address of loopback from this machine, and any other from the
// node.
func dialFrom(ctx context.Context, node *tsnet.Server, address string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	if to.Addr().IsLoopback() {
		var here net.Dialer
		return here.DialContext(ctx, "tcp", address)
	}
	return node.Dial(ctx, "tcp", address)
}

// wasReset says whether a reset was reported: by the node's stack, whose errors
// gonet gives as text, or by the kernel, which tells the next writer of a pipe.
func wasReset(err error) bool {
	return err != nil && (strings.Contains(err.Error(), (&tcpip.ErrConnectionReset{}).String()) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE))
}

// each calls do with 0 … count-1, from as many goroutines as there are workers.
func each(workers, count int, do func(i int)) {
	var next atomic.Int64
	var running sync.WaitGroup
	for range min(workers, count) {
		running.Go(func() {
			for i := next.Add(1) - 1; i < int64(count); i = next.Add(1) - 1 {
				do(int(i))
			}
		})
	}
	running.Wait()
}
