package main

// The tests' own tools: a tailnet in this process, real nodes on it, and waiting.

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"tailscale.com/envknob"
	"tailscale.com/ipn"
	"tailscale.com/tsnet"
	"tailscale.com/types/logger"
)

// patience bounds every wait for something that is expected to happen.
const patience = 30 * time.Second

// childVariable makes the test binary run as the program itself.
const childVariable = "TAILNET_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	envknob.SetNoLogsNoSupport()
	// Asking the router for a port mapping would leave this machine.
	envknob.Setenv("TS_DISABLE_PORTMAPPER", "true")
	// A restarted node would otherwise now and then be Running from a netmap on
	// disk before it has asked control anything.
	envknob.Setenv("TS_USE_CACHED_NETMAP", "false")
	os.Exit(m.Run())
}

func startTailnet(t *testing.T) *tailnet {
	t.Helper()
	tn, err := start(settings{host: "127.0.0.1", adminAddr: "127.0.0.1:0", domain: "tailnet.test", certificates: true, logf: logger.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tn.close)
	return tn
}

// newNode makes a node that has not started. Its key is the tailnet's.
func newNode(t *testing.T, tn *tailnet, name string) *tsnet.Server {
	t.Helper()
	s := &tsnet.Server{
		Dir:        t.TempDir(),
		Hostname:   name,
		AuthKey:    tn.madeUpKey,
		ControlURL: tn.control.url,
		Logf:       logger.Discard,
		UserLogf:   logger.Discard,
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func up(t *testing.T, s *tsnet.Server) {
	t.Helper()
	if _, err := s.Up(within(t, patience)); err != nil {
		t.Fatalf("starting node %s: %v", s.Hostname, err)
	}
}

// upNode makes a node and waits until it runs.
func upNode(t *testing.T, tn *tailnet, name string) *tsnet.Server {
	t.Helper()
	s := newNode(t, tn, name)
	up(t, s)
	return s
}

// within returns a context that ends with the test or after d.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// eventually polls for a condition that is expected to come true.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(patience)
	for !condition() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("after %v still not so: %s", patience, what)
		}
	}
}

// watchUntil reads a node's events until one is what the test waits for.
func watchUntil(t *testing.T, s *tsnet.Server, what string, wanted func(ipn.Notify) bool) {
	t.Helper()
	client, err := s.LocalClient()
	if err != nil {
		t.Fatal(err)
	}
	watcher, err := client.WatchIPNBus(within(t, patience), ipn.NotifyInitialState)
	if err != nil {
		t.Fatal(err)
	}
	defer watcher.Close()
	for {
		event, err := watcher.Next()
		if err != nil {
			t.Fatalf("waiting for %s on %s: %v", what, s.Hostname, err)
		}
		if wanted(event) {
			return
		}
	}
}

func inState(wanted ipn.State) func(ipn.Notify) bool {
	return func(event ipn.Notify) bool { return event.State != nil && *event.State == wanted }
}

// ask sends a request to the admin interface and returns its status and body.
func ask(t *testing.T, tn *tailnet, method, path string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(within(t, patience), method, tn.ready().AdminURL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, strings.TrimSpace(string(body))
}

// order makes something happen that must work, and returns its answer.
func order(t *testing.T, tn *tailnet, path string) string {
	t.Helper()
	status, body := ask(t, tn, "POST", path)
	if status != http.StatusOK {
		t.Fatalf("POST %s: %d %s", path, status, body)
	}
	return body
}

// nodeLines is what GET /nodes says, by name.
func nodeLines(t *testing.T, tn *tailnet) map[string]nodeLine {
	t.Helper()
	status, body := ask(t, tn, "GET", "/nodes")
	if status != http.StatusOK {
		t.Fatalf("GET /nodes: %d %s", status, body)
	}
	var lines []nodeLine
	if err := json.Unmarshal([]byte(body), &lines); err != nil {
		t.Fatal(err)
	}
	byName := make(map[string]nodeLine)
	for _, l := range lines {
		byName[l.Name] = l
	}
	return byName
}
