// Command tailnet is a whole private tailnet in one process: a control server, a
// DERP relay and a STUN server, on loopback or on one given address. The
// end-to-end tests and the demo start it as a child process and join nodes to it.
// It dials nothing.
//
// # Starting and ending
//
//	--host IP                 where control, DERP and STUN listen and are
//	                          advertised; default 127.0.0.1
//	--listen ADDR:PORT        where the admin interface listens; default 127.0.0.1:0
//	--auth-key-file FILE      the auth key that nodes must show; without it a key
//	                          is made up
//	--magic-dns-domain NAME   default tailnet.test
//	--certificates=false      offer nodes no certificates for their names
//	--grant CAPABILITY        an application capability of every node towards every
//	                          other one
//	--verbose                 what control and DERP have to say, on stderr
//
// When everything listens, one line is printed on stdout:
//
//	READY {"control_url":"http://127.0.0.1:PORT","admin_url":"http://127.0.0.1:PORT",
//	       "auth_key":"tskey-auth-…","derp_port":PORT,"stun_port":PORT}
//
// (in one line; auth_key only when it was made up here). The program ends with
// code 0 when its stdin reaches EOF, so that it never outlives its parent, or on
// SIGTERM or SIGINT. A parent that gives it /dev/null as stdin ends it at once.
// Exit code 64: bad usage; 1: it could not start.
//
// # The admin interface
//
// Plain HTTP. Everything that changes something is a POST with its arguments in
// the query. Answers are JSON; a refused request is a 4xx with one line of text.
// A change has taken effect in the server when the answer arrives; nodes learn
// of it by their map poll.
//
//	GET  /nodes                      every node: name, dns_name, node_key, id, addresses,
//	                                 polling (it has a map poll open), at_relay (it is
//	                                 connected to DERP), endpoints (how many it has told),
//	                                 key_expiry (absent: never), expired, ephemeral,
//	                                 black_hole, tags
//	GET  /derp-map                   the DERP map that nodes are given
//	GET  /txt?name=NAME              the TXT records that nodes have set for a name
//	POST /expire?node=NAME|all=true  the node's key, or every key, expires now
//	POST /extend?node=NAME|all=true  its expiry is taken back (/expire?all=false too)
//	POST /delete?node=NAME           the node is no more: its map poll ends, further ones
//	                                 get 404, its key has to log in as a new node
//	POST /black-hole                 adds an online peer that answers nothing
//	POST /control?mode=MODE          see below; at=register|map|door for 429, 500, 503
//	POST /derp?mode=up|down|silent   down: connects are refused, connections are cut
//	POST /auth-key?key=POLICY        see below; new=true makes up another key
//	POST /complete-login?url=URL     what a person does at a login URL
//	POST /approve?service=svc:NAME&node=NAME
//	                                 the node may host the Tailscale Service and is told
//	                                 its addresses; approved=false takes that back
//	POST /lead?service=svc:NAME&node=NAME
//	                                 what peers send to the service's addresses goes to
//	                                 that node from now on
//	GET  /advertised?node=NAME       the services that the node says it hosts (Name,
//	                                 Active, Ports), asked of the node itself
//
// Two nodes that are polling and at_relay reach each other at the first packet;
// before that a lost handshake costs WireGuard's 5 s.
//
// NAME is a node's name (first label), its DNS name, or its node key.
//
// Control modes: "ok"; "silent" (connects succeed, nothing is answered, existing
// connections freeze; "ok" thaws them); "refuse" (connects are refused on the
// same port, existing connections are cut); "429", "500", "503" (answered to
// register requests inside the Noise tunnel; at=map: to map requests, open polls
// are cut; at=door: to /key and /ts2021, so that no new tunnel comes up).
// retry-after=SECONDS adds that header.
//
// Key policies: "required" (the default: a new node shows the key or is refused),
// "open" (no key needed), "login" (without a key there is a login URL; a wrong key
// is refused), "once" (the key admits one node and is then spent), "expired" and
// "spent" (the right key is refused with that text), "unauthorized" (a refusal is
// HTTP 401 without a text for the node, as some control servers do). A node that
// is known and whose key has not expired needs no key under any policy.
//
// # What it is made of, and what it leaves out
//
// Noise, map polls and map responses are testcontrol's, from the module that nodes
// are built from; admission and the table of nodes are this program's own
// (inside.go says why). Every node may reach every node. Peers are always shown as
// online. The control server's clock stands still in 2020, so a node does not find
// out by itself that a peer's key has expired: it is told.
//
// A node that is to leave this machine alone needs TS_NO_LOGS_NO_SUPPORT=true (no
// log upload) and TS_DISABLE_PORTMAPPER=true (no question to the router); looking
// for a captive portal is switched off from here. TS_USE_CACHED_NETMAP=false makes
// a restarted node ask control before it counts as running.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	s, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "tailnet: %v\n", err)
		return 64
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	orphaned := make(chan struct{})
	go func() {
		io.Copy(io.Discard, stdin)
		close(orphaned)
	}()

	t, err := start(s)
	if err != nil {
		fmt.Fprintf(stderr, "tailnet: %v\n", err)
		return 1
	}
	defer t.close()
	line, err := json.Marshal(t.ready())
	if err != nil {
		fmt.Fprintf(stderr, "tailnet: %v\n", err)
		return 1
	}
	fmt.Fprintf(stdout, "READY %s\n", line)

	select {
	case <-orphaned:
	case <-stop:
	}
	return 0
}

// parse turns the command line into settings; it opens nothing but the key file.
func parse(args []string, stderr io.Writer) (settings, error) {
	var s settings
	var keyFile string
	var verbose bool
	flags := flag.NewFlagSet("tailnet", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.host, "host", "127.0.0.1", "`IP` on which control, DERP and STUN listen and are advertised")
	flags.StringVar(&s.adminAddr, "listen", "127.0.0.1:0", "`ADDR:PORT` of the admin interface")
	flags.StringVar(&keyFile, "auth-key-file", "", "`FILE` that holds the auth key; without it one is made up")
	flags.StringVar(&s.domain, "magic-dns-domain", "tailnet.test", "`NAME` under which nodes are known")
	flags.BoolVar(&s.certificates, "certificates", true, "offer nodes certificates for their names")
	flags.StringVar(&s.grant, "grant", "", "application `CAPABILITY` of every node towards every other one")
	flags.BoolVar(&verbose, "verbose", false, "log control and DERP on stderr")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if keyFile != "" {
		text, err := os.ReadFile(keyFile)
		if err != nil {
			return s, fmt.Errorf("reading the auth key: %w", err)
		}
		if s.authKey = strings.TrimSpace(string(text)); s.authKey == "" {
			return s, fmt.Errorf("reading the auth key: %s is empty", keyFile)
		}
	}
	log.SetOutput(io.Discard)
	s.logf = func(string, ...any) {}
	if verbose {
		log.SetOutput(stderr)
		s.logf = log.Printf
	}
	return s, nil
}
