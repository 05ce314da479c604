package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

func TestAPortIsListenedOnOnce(t *testing.T) {
	tn := newTailnet(t)
	n := tn.node(t, nodeConfig{})
	first := n.openListen(t, ":7000")
	fd, err := n.openMailbox(func(ctx context.Context, m *mailbox) error { return n.listen(ctx, m, "tcp", ":7000") })
	if err != nil {
		t.Fatal(err)
	}
	openBox(t, fd).failure(t, kindPortInUse)
	first.Close()
	eventually(t, "the port is free again", func() bool {
		ln, err := n.server.Listen("tcp", ":7000")
		if err == nil {
			ln.Close()
		}
		return err == nil
	})
}

func TestCloseDuringStartIsBounded(t *testing.T) {
	// Accepts connections and never answers.
	control, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	environment{}.apply()
	began := time.Now()
	fd, n, err := startNode(nodeConfig{Dir: t.TempDir(), Hostname: "n", ControlURL: "http://" + control.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	start := openBox(t, fd)
	sn := &seamNode{node: n}
	sn.shut(t)
	if took := time.Since(began); took > 2*time.Second+slack {
		t.Errorf("close during start took %v", took)
	}
	for {
		m, err := start.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if m.text("type") == "error" && m.text("kind") != string(kindClosed) {
			t.Errorf("the start ended with %s: %s", m.text("kind"), m.text("detail"))
		}
	}
}

// slack is what a loaded machine may add to a bound.
const slack = 3 * time.Second

func TestARefusedKeyIsToldFromAnUnreachableControl(t *testing.T) {
	t.Run("by the protocol", func(t *testing.T) {
		tn := newTailnet(t)
		tn.control.RequireAuthKey = "right"
		startFails(t, nodeConfig{ControlURL: tn.url, AuthKey: "wrong"}, kindLoginRefused, "invalid authkey")
	})
	for text, want := range map[string]bool{
		"invalid authkey":                                             true,
		"register request: http 401: unauthorized":                    true,
		"register request: http 403: forbidden":                       true,
		"register request: http 429: slow down":                       false,
		"register request: http 500: oops":                            false,
		"register request: http 503: later":                           false,
		"register request: Post \"https://x\": dial tcp: refused":     false,
		"fetch control key: Get \"http://x/key\": connection refused": false,
		"node registration rate limited; will retry after 5s":         false,
	} {
		if got := refusal(text); got != want {
			t.Errorf("refusal(%q) = %v", text, got)
		}
	}
}

func startFails(t *testing.T, config nodeConfig, want kind, detail string) {
	t.Helper()
	config.Dir, config.Hostname = t.TempDir(), "n"
	fd, n, err := startNode(config)
	if err != nil {
		t.Fatal(err)
	}
	defer (&seamNode{node: n}).shut(t)
	box := openBox(t, fd)
	for {
		m, err := box.next()
		if err != nil {
			t.Fatal(err)
		}
		if m.text("type") == "error" {
			if m.text("kind") != string(want) || !strings.Contains(m.text("detail"), detail) {
				t.Errorf("got %s: %s", m.text("kind"), m.text("detail"))
			}
			return
		}
	}
}

func TestAStateDirectoryThatCannotBeUsedIsSaidSo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	environment{}.apply()
	fd, n, err := startNode(nodeConfig{Dir: filepath.Join(file, "state"), Hostname: "n", ControlURL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	openBox(t, fd).failure(t, kindStateUnusable)
	(&seamNode{node: n}).shut(t)
}

func TestABusyControlIsWaitedOut(t *testing.T) {
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "busy", http.StatusServiceUnavailable)
	}))
	defer busy.Close()
	environment{}.apply()
	fd, n, err := startNode(nodeConfig{Dir: t.TempDir(), Hostname: "n", ControlURL: busy.URL})
	if err != nil {
		t.Fatal(err)
	}
	waiting := openBox(t, fd).until(t, "waiting")
	if !strings.Contains(waiting.text("detail"), "503") {
		t.Errorf("waiting for %q", waiting.text("detail"))
	}
	(&seamNode{node: n}).shut(t)
}

func TestWatchTellsTheNodeAndItsChanges(t *testing.T) {
	tn := newTailnet(t)
	n := tn.node(t, nodeConfig{Hostname: "watched"})
	fd, err := n.openMailbox(n.watch)
	if err != nil {
		t.Fatal(err)
	}
	box := openBox(t, fd)
	if state := box.until(t, "state"); state.text("state") != "Running" {
		t.Errorf("state %s", state["state"])
	}
	if node := box.until(t, "node"); !strings.Contains(string(node["node"]), "watched.tailnet.test") {
		t.Errorf("node %s", node["node"])
	}
	tn.control.SetExpireAllNodes(true)
	for !strings.Contains(string(box.until(t, "node")["node"]), `"expired":true`) {
	}
	if state := box.until(t, "state"); state.text("state") != "NeedsLogin" {
		t.Errorf("state %s of an expired node", state["state"])
	}
}

func TestAnEphemeralNodeIsLoggedOutAtItsClose(t *testing.T) {
	tn := newTailnet(t)
	n := tn.node(t, nodeConfig{Ephemeral: true})
	takeNode(n.handle)
	report := n.close()
	if !report.LoggedOut || report.Abandoned != "" {
		t.Errorf("close reports %+v", report)
	}
	for _, left := range tn.control.AllNodes() {
		if !left.KeyExpiry.Before(time.Now()) {
			t.Errorf("control still takes %s for logged in", left.Name)
		}
	}
}

func TestAFullLogMailboxDropsAndCounts(t *testing.T) {
	fd, err := openLogs()
	if err != nil {
		t.Fatal(err)
	}
	box := openBox(t, fd)
	before := logs.dropped.Load()
	for i := range 20 * logBacklog {
		logf("line %d %s", i, strings.Repeat("x", 100))
	}
	if logs.dropped.Load() == before {
		t.Fatal("nothing was dropped")
	}
	if first := box.until(t, "log"); !strings.HasPrefix(first.text("text"), "line 0 ") {
		t.Errorf("first line %s", first["text"])
	}
	fd, err = openLogs()
	if err != nil {
		t.Fatal(err)
	}
	second := openBox(t, fd)
	logf("for the second")
	if m := second.until(t, "log"); m.text("text") != "for the second" {
		t.Errorf("the second mailbox got %s", m["text"])
	}
	for {
		if _, err := box.next(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestAPanicBecomesAnError(t *testing.T) {
	err := guarded(func() error { panic("boom") })
	if f := failureOf(err); f.kind != kindInternal || !strings.Contains(f.detail, "boom") {
		t.Errorf("%v", err)
	}
}

func TestARefusedMapPollIsBelievedTheSecondTime(t *testing.T) {
	const refusal = "control: Received error: PollNetMap: initial fetch failed 404: node not found"
	isGone := func(p *mapPoll) bool {
		select {
		case <-p.gone:
			return true
		default:
			return false
		}
	}
	p := mapPoll{gone: make(chan struct{})}
	p.hear(refusal)
	p.heard() // a network map came: the node is known
	p.hear(refusal)
	p.hear("PollNetMap: initial fetch failed 503: later")
	p.hear("PollNetMap: initial fetch failed 429: slow down")
	if isGone(&p) {
		t.Fatal("one refusal was believed")
	}
	p.hear(refusal)
	p.hear(refusal)
	if !isGone(&p) || !strings.Contains(p.detail, "404: node not found") {
		t.Errorf("two refusals in a row: %q", p.detail)
	}
}

var mapPollLines = property{
	"log lines of a map poll", 2,
	[]string{
		"PollNetMap: initial fetch failed 404: node not found", "PollNetMap: initial fetch failed 429: slow down",
		"PollNetMap: initial fetch failed 500: x", "control: PollNetMap: initial fetch failed 401: ", "anything else",
	},
	func(t testing.TB, text string) {
		p := mapPoll{gone: make(chan struct{})}
		p.hear(text)
		p.heard()
		p.hear(text)
		select {
		case <-p.gone:
			t.Error("one answer after a map is believed")
		default:
		}
		p.hear(text)
		p.hear(text)
		p.heard()
		select {
		case <-p.gone:
			if !strings.HasPrefix(p.detail, "the control server answers 4") {
				t.Errorf("detail %q", p.detail)
			}
		default:
			if p.refused >= mapRefusals {
				t.Error("refused and not said so")
			}
		}
	},
}

func TestTheStackRetransmitsAtShortIntervals(t *testing.T) {
	tn := newTailnet(t)
	n := tn.node(t, nodeConfig{})
	var rto tcpip.TCPMaxRTOOption
	if err := stackOf(n.server).TransportProtocolOption(tcp.ProtocolNumber, &rto); err != nil {
		t.Fatal(err)
	}
	if time.Duration(rto) != maxRTO {
		t.Errorf("the longest retransmission time is %v", time.Duration(rto))
	}
}
