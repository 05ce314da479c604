package main

// What a benchmark does to a server of its own, through whatever is measured.

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"tailscale.com/tsnet"
)

// think is the longest pause between an answer and the next request.
const think = 2 * time.Millisecond

// soon is how long one request may take, with its connection: who has waited for so long
// counts it as failed.
const soon = 5 * time.Second

// bench serves a request for load; see the door's list.
func bench(node *tsnet.Server, c net.Conn, words []string) error {
	number, err := strconv.Atoi(words[2])
	if err != nil {
		return err
	}
	switch words[0] {
	case "BULK":
		return bulk(node, c, words[1], number, words[3])
	case "EXCHANGE", "REQUESTS":
		seconds, err := strconv.ParseFloat(words[3], 64)
		if err != nil {
			return err
		}
		length := time.Duration(seconds * float64(time.Second))
		fmt.Fprintln(c, "OK")
		if words[0] == "EXCHANGE" {
			return exchange(node, c, words[1], number, length)
		}
		return requests(node, c, words[1], number, length)
	}
	return fmt.Errorf("not understood: %q", words)
}

// open dials connections and says on each what is wanted of its server.
func open(node *tsnet.Server, address string, number int, want byte) ([]net.Conn, error) {
	conns := make([]net.Conn, 0, number)
	for range number {
		conn, err := openOne(node, address, want, patience)
		if err != nil {
			closeEach(conns)
			return nil, err
		}
		conns = append(conns, conn)
	}
	return conns, nil
}

func openOne(node *tsnet.Server, address string, want byte, within time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	conn, err := dialFrom(ctx, node, address)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write([]byte{want}); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

func closeEach(conns []net.Conn) {
	for _, conn := range conns {
		conn.Close()
	}
}

// bulk runs streams one way until the request ends; each further line is answered by
// the bytes that this side has received so far.
func bulk(node *tsnet.Server, c net.Conn, address string, streams int, way string) error {
	want := byte(wantSink)
	if way == "back" {
		want = wantSource
	}
	conns, err := open(node, address, streams, want)
	if err != nil {
		return err
	}
	var received atomic.Int64
	var running sync.WaitGroup
	defer running.Wait()
	defer closeEach(conns)
	for _, conn := range conns {
		running.Go(func() {
			if want == wantSink {
				source(conn)
			} else {
				sink(conn, &received)
			}
		})
	}
	fmt.Fprintln(c, "OK")
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		if err := count(c, &received, streams); err != nil {
			return nil
		}
	}
	return nil
}

// exchange has connections ask and be answered, with pauses, and reports how long an
// answer took.
func exchange(node *tsnet.Server, c io.Writer, address string, number int, length time.Duration) error {
	conns, err := open(node, address, number, wantAnswers)
	if err != nil {
		return err
	}
	defer closeEach(conns)
	times := make([][]time.Duration, number)
	failures := make([]error, number)
	end := time.Now().Add(length)
	var running sync.WaitGroup
	for i, conn := range conns {
		running.Go(func() {
			scratch := make([]byte, mostAnswer)
			for time.Now().Before(end) {
				begun := time.Now()
				if failures[i] = ask(conn, scratch); failures[i] != nil {
					return
				}
				times[i] = append(times[i], time.Since(begun))
				time.Sleep(rand.N(think))
			}
		})
	}
	running.Wait()
	if err := errors.Join(failures...); err != nil {
		return err
	}
	all := slices.Concat(times...)
	if len(all) == 0 {
		return errors.New("no exchange in the time")
	}
	slices.Sort(all)
	quantile := func(share float64) float64 { return all[int(share*float64(len(all)-1))].Seconds() }
	return json.NewEncoder(c).Encode(map[string]float64{
		"count": float64(len(all)), "p50": quantile(0.5), "p99": quantile(0.99), "p999": quantile(0.999),
	})
}

// requests makes connections, each for one request, so many at a time. Those done count
// that are done in the time; one that fails may take longer.
func requests(node *tsnet.Server, c io.Writer, address string, workers int, length time.Duration) error {
	var done, failed atomic.Int64
	var first atomic.Pointer[string]
	begun := time.Now()
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			scratch := make([]byte, mostAnswer)
			for time.Since(begun) < length {
				if err := oneRequest(node, address, scratch); err != nil {
					text := err.Error()
					first.CompareAndSwap(nil, &text)
					failed.Add(1)
				} else if time.Since(begun) < length {
					done.Add(1)
				}
			}
		})
	}
	running.Wait()
	line := map[string]any{"done": done.Load(), "failed": failed.Load(), "seconds": length.Seconds()}
	if text := first.Load(); text != nil {
		line["first_failure"] = *text
	}
	return json.NewEncoder(c).Encode(line)
}

func oneRequest(node *tsnet.Server, address string, scratch []byte) error {
	conn, err := openOne(node, address, wantOneReply, soon)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(soon))
	return ask(conn, scratch)
}
