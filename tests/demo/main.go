// Command demo is what the demo needs beside ssh. It uses the standard library
// only and stays on loopback.
//
//	demo serve         a small TCP service: listens on a free port of 127.0.0.1 and
//	                   prints the address; ends when its stdin reaches EOF
//	demo ask ADDRESS   a client for it: sends its stdin, shuts down its sending
//	                   side, and only then reads the reply, to stdout
//	demo meet URL N    waits until N nodes of the private tailnet whose admin
//	                   interface is at URL can reach each other
//	demo port          prints a port of 127.0.0.1 that is free now
//
// The service sends a banner line, reads until the client's half-close, and then
// replies with one line (the length and the SHA-256 of the request) and the
// request itself: the reply can only come to a client whose half-close arrived
// alone, and whose other direction was left open.
package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

// banner is the first line of every connection to the service.
const banner = "demo service"

// patience bounds one connection, so that nothing waits for ever.
const patience = 2 * time.Minute

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "demo: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "serve":
		return serve()
	case len(args) == 2 && args[0] == "ask":
		return ask(args[1])
	case len(args) == 3 && args[0] == "meet":
		return meet(args[1], args[2])
	case len(args) == 1 && args[0] == "port":
		return port()
	default:
		return errors.New("usage: demo serve | ask ADDRESS | meet URL N | port")
	}
}

func serve() error {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Println(listener.Addr())
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go answer(conn.(*net.TCPConn))
	}
}

// answer serves one connection. A client that is cut off sees no reply.
func answer(conn *net.TCPConn) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintln(conn, banner)
	request, err := io.ReadAll(conn)
	if err != nil {
		return
	}
	fmt.Fprintf(conn, "got %d bytes, sha256 %x\n", len(request), sha256.Sum256(request))
	conn.Write(request)
}

func ask(address string) error {
	dialed, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return err
	}
	defer dialed.Close()
	conn := dialed.(*net.TCPConn)
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.Copy(conn, os.Stdin); err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	if err := conn.CloseWrite(); err != nil {
		return fmt.Errorf("shutting down the sending side: %w", err)
	}
	if _, err := io.Copy(os.Stdout, conn); err != nil {
		return fmt.Errorf("reading the reply: %w", err)
	}
	return nil
}

// meet asks until enough nodes are at the relay: a handshake sent to one that is
// not is lost, and repeated only after 5 s.
func meet(url, count string) error {
	wanted, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	client := http.Client{Timeout: 5 * time.Second}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		there, err := reachable(&client, url)
		if err == nil && there >= wanted {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("%d of %d nodes can be reached", there, wanted), err)
		}
	}
}

func reachable(client *http.Client, url string) (count int, err error) {
	answer, err := client.Get(url + "/nodes")
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	var nodes []struct {
		Polling bool `json:"polling"`
		AtRelay bool `json:"at_relay"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&nodes); err != nil {
		return 0, err
	}
	for _, node := range nodes {
		if node.Polling && node.AtRelay {
			count++
		}
	}
	return count, nil
}

func port() error {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	return nil
}
