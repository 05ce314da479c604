// Command peer is a stock node of a tailnet, without anything of tailport in it:
// the other side of the end-to-end tests. It dials and listens on demand and
// carries each connection's bytes and half-closes, one direction at a time.
//
//	--control-url URL      the control server
//	--auth-key-file FILE   the key to join with
//	--hostname NAME        default peer
//	--dir DIR              where it keeps its state
//
// When it runs, one line is printed on stdout:
//
//	READY {"address":"100.…","door":"127.0.0.1:PORT"}
//
// It ends with code 0 when its stdin reaches EOF.
//
// # The door
//
// A connection to the door begins with one line, which is answered by one line:
// "OK" with what was asked for, or "ERROR " and a text.
//
//	DIAL ADDRESS:PORT      after OK the connection is the dialed one
//	LISTEN PORT ADDRESS:PORT
//	                       connections to the node's port are carried to an address
//	                       of this machine, until this connection ends
//	GREET ADDRESS          OK when the node at that address has answered
//	HOLD ADDRESS:PORT COUNT WORKERS
//	                       opens so many connections, so many at a time; each further
//	                       line has every one of them echo a byte; the end of this
//	                       connection closes them
//	CHURN ADDRESS:PORT COUNT WORKERS
//	                       so many connections in all, so many at a time: each has a
//	                       byte echoed and ends
//	STORM ADDRESS:PORT SECONDS WORKERS
//	                       the same for a time, as many as can be
//
// These three say OK at once, and each thing that was done in a line of JSON:
// handshakes, echoed, reset, failed, first_failure, seconds.
//
//	SERVE PORT, SERVE ADDRESS:PORT
//	                       OK when the three below are served on the node's port, or
//	                       on an address of loopback; a line COUNT is answered by JSON:
//	                       received, the bytes so far, and open, the connections now;
//	                       END closes all of them first
//	BULK ADDRESS:PORT STREAMS there|back
//	                       OK when the streams run; a line COUNT as above
//	EXCHANGE ADDRESS:PORT CONNECTIONS SECONDS
//	                       requests and answers on connections that stay, then a line:
//	                       count, p50, p99, p999, in seconds
//	REQUESTS ADDRESS:PORT WORKERS SECONDS
//	                       a connection for each request, then a line: done, failed,
//	                       seconds, first_failure
//
// An address that is no peer's is waited for and never dialed elsewhere; the loads
// alone dial an address of loopback, from this machine.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strings"
	"time"

	"tailscale.com/envknob"
	"tailscale.com/tsnet"
)

// patience bounds everything that is waited for.
const patience = 30 * time.Second

func main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "peer: %v\n", err)
		os.Exit(1)
	}
}

func run() error {
	controlURL := flag.String("control-url", "", "`URL` of the control server")
	keyFile := flag.String("auth-key-file", "", "`FILE` that holds the key to join with")
	hostname := flag.String("hostname", "peer", "`NAME` of the node")
	dir := flag.String("dir", "", "`DIR` where it keeps its state")
	flag.Parse()
	if *controlURL == "" || *dir == "" {
		return fmt.Errorf("--control-url and --dir are needed")
	}
	authKey, err := os.ReadFile(*keyFile)
	if err != nil {
		return err
	}
	envknob.SetNoLogsNoSupport()
	log.SetOutput(io.Discard)
	node := &tsnet.Server{
		Dir:        *dir,
		Hostname:   *hostname,
		ControlURL: *controlURL,
		AuthKey:    strings.TrimSpace(string(authKey)),
		Logf:       func(string, ...any) {},
		UserLogf:   func(string, ...any) {},
	}
	defer node.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := node.Up(ctx); err != nil {
		return err
	}
	door, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go serveDoor(node, door)

	address, _ := node.TailscaleIPs()
	line, err := json.Marshal(map[string]string{
		"address": address.String(),
		"door":    door.Addr().String(),
	})
	if err != nil {
		return err
	}
	fmt.Printf("READY %s\n", line)
	io.Copy(io.Discard, os.Stdin)
	return nil
}
