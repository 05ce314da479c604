package main

// What the switches do, and that none of them costs the tailnet its life.

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"tailscale.com/ipn"
	"tailscale.com/types/key"
)

func nodeKey() key.NodePublic { return key.NewNode().Public() }

func TestASilentControlHoldsANewNodeBackUntilItSpeaks(t *testing.T) {
	tn := startTailnet(t)
	order(t, tn, "/control?mode=silent")
	s := newNode(t, tn, "box")
	done := make(chan error, 1)
	go func() {
		_, err := s.Up(within(t, patience))
		done <- err
	}()
	eventually(t, "the node is connected to control", func() bool { return connections(tn.control.door) > 0 })
	select {
	case err := <-done:
		t.Fatalf("the node came up, or gave up, without an answer: %v", err)
	default:
	}
	if lines := nodeLines(t, tn); len(lines) != 0 {
		t.Fatalf("nodes are %v", lines)
	}
	order(t, tn, "/control?mode=ok")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestARefusingControlIsBackOnItsPort(t *testing.T) {
	tn := startTailnet(t)
	upNode(t, tn, "box")
	eventually(t, "the node polls", func() bool { return nodeLines(t, tn)["box"].Polling })
	address := tn.control.door.addr.String()

	order(t, tn, "/control?mode=refuse")
	if _, err := net.Dial("tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("a connect met %v", err)
	}
	eventually(t, "the node's poll is cut", func() bool { return !nodeLines(t, tn)["box"].Polling })

	order(t, tn, "/control?mode=ok")
	eventually(t, "the node polls again", func() bool { return nodeLines(t, tn)["box"].Polling })
}

func TestAControlThatAnswersWithAStatusAdmitsNobodyUntilItIsWell(t *testing.T) {
	for _, mode := range []string{"mode=429&retry-after=1", "mode=500", "mode=503&at=register", "mode=503&at=door", "mode=500&at=map"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			tn := startTailnet(t)
			order(t, tn, "/control?"+mode)
			s := newNode(t, tn, "box")
			if err := s.Start(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the node has met the status", func() bool { return tn.control.fault.answered() > 0 })
			if nodeLines(t, tn)["box"].Polling {
				t.Fatal("the node polls")
			}
			order(t, tn, "/control?mode=ok")
			watchUntil(t, s, "running", inState(ipn.Running))
		})
	}
}

func TestNodesComeBackToADERPThatWasDown(t *testing.T) {
	tn := startTailnet(t)
	upNode(t, tn, "box")
	box := nodeLines(t, tn)["box"].NodeKey
	connected := func() bool { return tn.derp.relay.IsClientConnectedForTest(box) }
	eventually(t, "the node is at its relay", connected)

	order(t, tn, "/derp?mode=down")
	if _, err := net.Dial("tcp", tn.derp.door.addr.String()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("a connect met %v", err)
	}
	eventually(t, "the node has lost its relay", func() bool { return !connected() })

	order(t, tn, "/derp?mode=up")
	eventually(t, "the node is back at its relay", connected)
}

func TestAFrozenDoorDeliversLaterWhatWasSentMeanwhile(t *testing.T) {
	door, err := newDoor(loopback)
	if err != nil {
		t.Fatal(err)
	}
	defer door.Close()
	client, err := net.Dial("tcp", door.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := door.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := door.set(doorFrozen); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(client, "x"); err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() {
		_, err := io.ReadFull(server, make([]byte, 1))
		got <- err
	}()
	select {
	case <-got:
		t.Fatal("a byte came through")
	case <-time.After(100 * time.Millisecond):
	}
	if err := door.set(doorOpen); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Fatal(err)
	}
}

func TestAShutDoorKeepsItsPort(t *testing.T) {
	door, err := newDoor(loopback)
	if err != nil {
		t.Fatal(err)
	}
	defer door.Close()
	for range 20 {
		if err := door.set(doorShut); err != nil {
			t.Fatal(err)
		}
		if err := door.set(doorOpen); err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", door.addr.String())
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
}

func TestARequestThatTestcontrolWouldDieOfIsRefused(t *testing.T) {
	tn := startTailnet(t)
	for _, c := range []struct {
		path, body string
		status     int
	}{
		{"/machine/register", "{", http.StatusBadRequest},
		{"/machine/register", "{}", http.StatusBadRequest},
		{"/machine/map", "nonsense", http.StatusBadRequest},
		{"/machine/map", "{}", http.StatusNotFound},
		{"/machine/tka/bootstrap", "{}", http.StatusNotFound},
		{"/", "", http.StatusNotFound},
	} {
		recorder := httptest.NewRecorder()
		tn.control.serveTunnel(recorder, httptest.NewRequest("POST", c.path, strings.NewReader(c.body)))
		if recorder.Code != c.status {
			t.Errorf("POST %s %q: %d, not %d", c.path, c.body, recorder.Code, c.status)
		}
	}
	for _, path := range []string{"/", "/machine/map", "/machine/register"} {
		response, err := http.Post(tn.control.url+path, "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusNotFound {
			t.Errorf("POST %s outside a tunnel: %d", path, response.StatusCode)
		}
	}
}

func TestAMistakenOrderIsRefusedWithAReason(t *testing.T) {
	tn := startTailnet(t)
	for _, c := range []struct {
		method, path string
		status       int
		reason       string
	}{
		{"GET", "/expire?all=true", 405, "Method Not Allowed"},
		{"POST", "/expire", 400, "node=NAME is missing"},
		{"POST", "/expire?all=perhaps", 400, "true or false"},
		{"POST", "/extend?node=nobody", 404, `no node is called "nobody"`},
		{"POST", "/delete?all=true", 400, "node=NAME is missing"},
		{"POST", "/control?mode=odd", 400, "one of ok, silent, refuse, 429, 500, 503"},
		{"POST", "/control?mode=500&at=odd", 400, "one of register, map, door"},
		{"POST", "/derp", 400, "one of up, down, silent"},
		{"POST", "/auth-key", 400, "key=POLICY or new=true is missing"},
		{"POST", "/auth-key?key=odd", 400, "one of required, open"},
		{"POST", "/complete-login?url=http://x/auth/y", 404, "no node waits"},
		{"GET", "/odd", 404, "not found"},
	} {
		status, body := ask(t, tn, c.method, c.path)
		if status != c.status || !strings.Contains(body, c.reason) {
			t.Errorf("%s %s: %d %q", c.method, c.path, status, body)
		}
	}
}

func connections(d *door) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.connections)
}
