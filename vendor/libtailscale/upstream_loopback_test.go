package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"tailscale.com/ipn/ipnstate"
)

func TestTheLoopbackProxyAsksForItsPasswords(t *testing.T) {
	tn := newTailnet(t)
	peer, peerIP := tn.peer(t, "peer")
	far, err := peer.Listen("tcp", ":"+linkPort)
	if err != nil {
		t.Fatal(err)
	}
	u := tn.upstream(t, "up").connect(t)
	p, err := u.openLoopback()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := u.openLoopback(); err != nil || again != p {
		t.Errorf("asked again: %v, %v", again, err)
	}

	for password, want := range map[string]int{p.apiPassword: http.StatusOK, p.proxyPassword: http.StatusForbidden} {
		request, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+p.address+"/localapi/v0/status", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Sec-Tailscale", "localapi")
		request.SetBasicAuth("", password)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		var status ipnstate.Status
		err = json.NewDecoder(answer.Body).Decode(&status)
		answer.Body.Close()
		if answer.StatusCode != want || want == http.StatusOK && (err != nil || status.BackendState != "Running") {
			t.Errorf("the local API answers %d: %v, %v", answer.StatusCode, status.BackendState, err)
		}
	}
	http.DefaultClient.CloseIdleConnections()

	for password, granted := range map[string]bool{p.apiPassword: false, p.proxyPassword: true} {
		conn, err := net.Dial("tcp", p.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		conn.Write([]byte{5, 1, 2}) // SOCKS5, one method: a password
		conn.Write(append([]byte("\x01\x05tsnet\x20"), password...))
		var said [4]byte
		if _, err := io.ReadFull(conn, said[:]); granted != bytes.Equal(said[:], []byte{5, 2, 1, 0}) {
			t.Errorf("the proxy says %v, %v", said, err)
		}
		if !granted {
			continue
		}
		port, err := strconv.Atoi(linkPort)
		if err != nil {
			t.Fatal(err)
		}
		ip := peerIP.As4()
		conn.Write(append(append([]byte{5, 1, 0, 1}, ip[:]...), byte(port>>8), byte(port)))
		reached, err := far.Accept()
		if err != nil {
			t.Fatal(err)
		}
		reached.Close()
	}
}

func TestAFunnelLeadsTheNodesNameToAPort(t *testing.T) {
	authority(t, http.NotFound)
	tn := newTailnet(t)
	u := tn.upstream(t, "named").connect(t)
	if err := u.funnel(8080); err != nil {
		t.Fatal(err)
	}
	client, err := u.node.server.LocalClient()
	if err != nil {
		t.Fatal(err)
	}
	served, err := client.GetServeConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !served.AllowFunnel["named.tailnet.test:443"] || served.TCP[443].TCPForward != "127.0.0.1:8080" ||
		served.TCP[443].TerminateTLS != "named.tailnet.test" {
		t.Errorf("served is %+v", served)
	}
	for _, port := range []int{-1, 0, 65536} {
		if err := u.funnel(port); err == nil || failureOf(err).kind != kindBadAddress {
			t.Errorf("port %d: %v", port, err)
		}
	}
	// Another run of the program begins without it.
	u.shut(t)
	again := tn.upstream(t, "named")
	again.config.Dir = u.config.Dir
	again.connect(t)
	if client, err = again.node.server.LocalClient(); err != nil {
		t.Fatal(err)
	}
	if served, err := client.GetServeConfig(t.Context()); err != nil || served != nil && len(served.TCP) > 0 {
		t.Errorf("served is %+v, %v", served, err)
	}
}

func TestAFunnelNeedsCertificates(t *testing.T) {
	tn := newTailnet(t)
	tn.control.DNSConfig = nil
	u := tn.upstream(t, "plain").connect(t)
	if err := u.funnel(8080); err == nil || failureOf(err).kind != kindNoCertificates {
		t.Errorf("%v", err)
	}
}
