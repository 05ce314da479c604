package main

// Services with the library's own host: one is approved, reached, asked and moved.

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"tailscale.com/tailcfg"
	"tailscale.com/tsnet"
)

// hostOf makes a stock node that answers the service's connections with its name.
func hostOf(t *testing.T, tn *tailnet, name string) {
	t.Helper()
	s := newNode(t, tn, name)
	s.AdvertiseTags = []string{"tag:web"}
	up(t, s)
	listener, err := s.ListenService("svc:web", tsnet.ServiceModeTCP{Port: 80})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			io.WriteString(conn, name)
			conn.Close()
		}
	}()
}

func TestAServiceIsLedToOneOfItsHosts(t *testing.T) {
	tn := startTailnet(t)
	peer := upNode(t, tn, "peer")
	hostOf(t, tn, "one")
	hostOf(t, tn, "two")
	for _, name := range []string{"one", "two"} {
		eventually(t, "the host says what it hosts", func() bool {
			status, body := ask(t, tn, "GET", "/advertised?node="+name)
			var told []tailcfg.VIPService
			return status == http.StatusOK && json.Unmarshal([]byte(body), &told) == nil &&
				len(told) == 1 && told[0].Name == "svc:web" && told[0].Active
		})
		order(t, tn, "/approve?service=svc:web&node="+name)
	}
	for _, name := range []string{"one", "two", "one"} {
		var led struct{ Addresses []string }
		body := order(t, tn, "/lead?service=svc:web&node="+name)
		if err := json.Unmarshal([]byte(body), &led); err != nil || len(led.Addresses) != 2 {
			t.Fatalf("%s: %v", body, err)
		}
		for _, address := range led.Addresses {
			eventually(t, address+" leads to "+name, func() bool {
				conn, err := peer.Dial(within(t, patience/3), "tcp", net.JoinHostPort(address, "80"))
				if err != nil {
					return false
				}
				defer conn.Close()
				// One that was made just before the change hangs: its packets go elsewhere.
				conn.SetDeadline(time.Now().Add(time.Second))
				said, err := io.ReadAll(conn)
				return err == nil && string(said) == name
			})
		}
	}
}

func TestAServiceNeedsANameAndANode(t *testing.T) {
	tn := startTailnet(t)
	upNode(t, tn, "box")
	for _, path := range []string{"/approve?service=web&node=box", "/approve?service=svc:&node=box", "/lead?service=svc:web", "/lead?service=svc:web&all=true"} {
		if status, body := ask(t, tn, "POST", path); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, _ := ask(t, tn, "POST", "/approve?service=svc:web&node=nobody"); status != http.StatusNotFound {
		t.Errorf("a node that is not there: %d", status)
	}
}
