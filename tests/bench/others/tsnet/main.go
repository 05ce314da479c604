// Command tsnet-connect is the other side of tailscale.com/cmd/tsnet-proxy, which has
// none: a local port that leads to an address of the tailnet. What can be the same is:
// the flags, the key and the control server by the environment, a goroutine and two
// io.Copy for a connection. An end that the client sends is not passed on either.
//
//	tsnet-connect [-dir DIR] [-v] NAME LOCALPORT HOST:PORT
//
// NAME is the node's; LOCALPORT is of 127.0.0.1, 0 for any that is free. When the node
// is up and the port listens, a line on stderr ends in
//
//	proxying 127.0.0.1:PORT -> HOST:PORT on tailnet
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"

	"tailscale.com/tsnet"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	dir := flag.String("dir", "", "`DIR` where the node keeps its state")
	verbose := flag.Bool("v", false, "the node's own log too")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: tsnet-connect [flags] NAME LOCALPORT HOST:PORT")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 3 {
		flag.Usage()
		os.Exit(2)
	}
	name, port, target := flag.Arg(0), flag.Arg(1), flag.Arg(2)

	node := &tsnet.Server{Hostname: name, Dir: *dir}
	if *verbose {
		node.Logf = log.Printf
	}
	defer node.Close()
	if _, err := node.Up(context.Background()); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return err
	}
	defer listener.Close()
	log.Printf("proxying %s -> %s on tailnet", listener.Addr(), target)
	for {
		client, err := listener.Accept()
		if err != nil {
			return err
		}
		go carry(node, client, target)
	}
}

// carry serves one connection until what comes from the tailnet has ended.
func carry(node *tsnet.Server, client net.Conn, target string) {
	defer client.Close()
	far, err := node.Dial(context.Background(), "tcp", target)
	if err != nil {
		log.Printf("dialing %s: %v", target, err)
		return
	}
	defer far.Close()
	go io.Copy(far, client)
	io.Copy(client, far)
}
