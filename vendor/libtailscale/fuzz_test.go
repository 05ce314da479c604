package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"tailscale.com/ipn"
)

// Bad input: each property has a fuzz target for Go's own fuzzing (go test -fuzz)
// and is tried at scale by TestBadInputAtScale, FUZZ_CASES times or a few hundred.

func FuzzStartArguments(f *testing.F)   { fuzz(f, startArguments) }
func FuzzEnvironment(f *testing.F)      { fuzz(f, environmentArguments) }
func FuzzAddresses(f *testing.F)        { fuzz(f, addresses) }
func FuzzWhoisAddresses(f *testing.F)   { fuzz(f, whoisAddresses) }
func FuzzClientSecrets(f *testing.F)    { fuzz(f, clientSecrets) }
func FuzzMapPollLines(f *testing.F)     { fuzz(f, mapPollLines) }
func FuzzLoginProblems(f *testing.F)    { fuzz(f, loginProblems) }
func FuzzNotifications(f *testing.F)    { fuzz(f, notifications) }
func FuzzClassification(f *testing.F)   { fuzz(f, classification) }
func FuzzLogLinesAsFrames(f *testing.F) { fuzz(f, framesOfTexts) }

// property is what must hold for every text, and texts that are nearly right.
type property struct {
	name  string
	part  int // how much dearer it is than the others
	seeds []string
	hold  func(t testing.TB, text string)
}

func fuzz(f *testing.F, p property) {
	for _, seed := range p.seeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) { p.hold(t, text) })
}

func TestBadInputAtScale(t *testing.T) {
	cases := 500
	if asked := os.Getenv("FUZZ_CASES"); asked != "" {
		var err error
		if cases, err = strconv.Atoi(asked); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []property{
		startArguments, environmentArguments, addresses, whoisAddresses, clientSecrets, mapPollLines, loginProblems, notifications, classification, framesOfTexts,
	} {
		t.Run(p.name, func(t *testing.T) {
			seed := rand.Uint64()
			random := rand.New(rand.NewPCG(seed, 0))
			cases := max(1, cases/p.part)
			for range cases {
				text := mutated(random, p.seeds)
				p.hold(t, text)
				if t.Failed() {
					t.Fatalf("seed %d, input %q", seed, text)
				}
			}
			fmt.Printf("fuzz: %s: %d cases\n", p.name, cases)
		})
	}
}

// pieces separate, end or confuse.
var pieces = []string{
	"", ":", ",", "/", "[", "]", "{", "}", "\"", "\\", "0", "-1", "65536", "1e999", "null", "true", "é", "\xff", "\x00", "\n", " ", "%",
	"http 401", "http 429", "http 503", "PollNetMap: initial fetch failed 404: ", "already open", "was refused", "9223372036854775807",
}

// mutated is a seed with a few slips; now and then any bytes, or very many.
func mutated(random *rand.Rand, seeds []string) string {
	text := seeds[random.IntN(len(seeds))]
	switch random.IntN(20) {
	case 0:
		any := make([]byte, random.IntN(60))
		for i := range any {
			any[i] = byte(random.Uint32())
		}
		text = string(any)
	case 1:
		if random.IntN(20) == 0 {
			text = strings.Repeat(text+pieces[random.IntN(len(pieces))], 1+random.IntN(3000))
		}
	}
	for range random.IntN(4) {
		at := random.IntN(len(text) + 1)
		end := min(len(text), at+random.IntN(3))
		text = text[:at] + pieces[random.IntN(len(pieces))] + text[end:]
	}
	return text
}

// refused checks that bad arguments are the caller's error.
func refused(t testing.TB, err error) {
	if got := int(result(-1, err)); err != nil && got != -int(syscall.EINVAL) {
		t.Errorf("%v is %d to the caller", err, got)
	}
}

var startArguments = property{
	"arguments of a start", 1,
	[]string{
		`{"dir":"/s","hostname":"h","control_url":"http://127.0.0.1","auth_key":"k","ephemeral":true,"keepalive_ms":60000}`,
		`{"dir":"/s","client_secret":"tskey-client-a","tags":["tag:a","tag:b"]}`, `{"dir":"/s","tags":["a"]}`,
		`{"dir":"/s","keepalive_ms":-1}`, `{"dir":""}`, `{"dir":"/s","keepalive_ms":9223372036854775807}`, `{}`, `[]`, `null`, `7`, ``,
	},
	func(t testing.TB, text string) {
		var config nodeConfig
		if err := json.Unmarshal([]byte(text), &config); err != nil {
			refused(t, err)
			return
		}
		if err := config.check(); err != nil {
			refused(t, err)
			return
		}
		keepalive := time.Duration(config.KeepaliveMS) * time.Millisecond
		if slices.ContainsFunc(config.Tags, func(tag string) bool { return !strings.HasPrefix(tag, "tag:") }) {
			t.Errorf("tags %q are accepted", config.Tags)
		}
		if config.Dir == "" || keepalive < 0 || 2*keepalive+2*probeGap < keepalive {
			t.Errorf("%+v is accepted", config)
		}
	},
}

var environmentArguments = property{
	"arguments of the environment", 1,
	[]string{
		`{"unset":["TS_AUTHKEY"],"set":{"FUZZ_A":"1"},"log_upload":false,"memory_limit":0}`,
		`{"set":{"":"x"}}`, `{"set":{"FUZZ=B":"x"}}`, `{"set":{"FUZZ_C":"\u0000"}}`, `{"unset":[""]}`, `{"unset":{}}`, `{"memory_limit":1.5}`, `null`,
	},
	func(t testing.TB, text string) {
		var e environment
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			refused(t, err)
			return
		}
		// Only names of this test's own are really set.
		e.MemoryLimit = 0
		for name := range e.Set {
			if name != "" && !strings.HasPrefix(name, "FUZZ") {
				delete(e.Set, name)
			}
		}
		e.Unset = slices.DeleteFunc(e.Unset, func(name string) bool { return name != "" && !strings.HasPrefix(name, "FUZZ") })
		if err := e.apply(); err != nil {
			refused(t, err)
			return
		}
		for name, value := range e.Set {
			if got := os.Getenv(name); got != value {
				t.Errorf("%q is %q, not %q", name, got, value)
			}
			os.Unsetenv(name)
		}
	},
}

var addresses = property{
	"addresses to dial or listen on", 1,
	[]string{"100.64.0.1:22", "[fd7a:115c:a1e0::1]:22", "peer:22", "peer.tailnet.test:65535", ":22", "peer", "peer:0", "peer:http", "[::1", "a:b:c", "svc:web:443"},
	func(t testing.TB, text string) {
		err := checkDialAddress("tcp", text)
		if err == nil {
			host, port, split := net.SplitHostPort(text)
			number, _ := strconv.Atoi(port)
			if split != nil || host == "" || number < 1 || number > 65535 {
				t.Errorf("%q is accepted", text)
			}
		} else if f := failureOf(err); f.kind != kindBadAddress {
			t.Errorf("%q is %v", text, f)
		}
		if name, port, err := serviceAddress(text); err == nil {
			if name.Validate() != nil || port == 0 {
				t.Errorf("%q is a service's address", text)
			}
		} else if f := failureOf(err); f.kind != kindBadAddress {
			t.Errorf("%q is %v", text, f)
		}
		if text != "tcp" && text != "udp" && checkDialAddress(text, "peer:22") == nil {
			t.Errorf("network %q is accepted", text)
		}
	},
}

var loginProblems = property{
	"login problems", 1,
	[]string{
		"register request: http 401: unauthorized", "register request: http 429: busy", "register request: http 503: down",
		"fetch control key: Get: connection refused", "invalid key: API key does not exist", "",
	},
	func(t testing.TB, text string) {
		final := refusal(text)
		switch status := httpStatus.FindString(text); status {
		case "":
		case "http 408", "http 429":
			if final {
				t.Errorf("%s is final", status)
			}
		default:
			if final != strings.HasPrefix(status, "http 4") {
				t.Errorf("%s: final is %v", status, final)
			}
		}
	},
}

var notifications = property{
	"notifications of the backend", 1,
	[]string{
		`{"ErrMessage":"x"}`, `{"State":6,"BrowseToURL":"https://a"}`,
		`{"Health":{"Warnings":{"login-state":{"WarnableCode":"login-state","Text":"t","Args":{"error":"register request: http 401: no"}}}}}`,
		`{"Health":{}}`, `{"Health":{"Warnings":null}}`, `{"SelfChange":{"Name":"n"}}`,
	},
	func(t testing.TB, text string) {
		var notify ipn.Notify
		if json.Unmarshal([]byte(text), &notify) != nil {
			return
		}
		loginProblem(&notify)
		changesPeers(&notify)
		if notify.Health != nil {
			list := warnings(notify.Health)
			if !slices.IsSortedFunc(list, func(a, b healthWarning) int { return cmp.Compare(a.Code, b.Code) }) {
				t.Errorf("%v is not in order", list)
			}
		}
	},
}

// kinds is the closed list of MESSAGES.md.
var kinds = []kind{
	kindRefused, kindReset, kindUnreachable, kindTimedOut, kindCanceled, kindBadAddress, kindUnknownName, kindNotInTailnet,
	kindUnknownPeer, kindPortInUse, kindNotRunning, kindNoCertificates, kindLoginRefused, kindLoginNeeded, kindStateUnusable, kindClosed, kindInternal,
}

var classification = property{
	"errors to classify", 1,
	[]string{
		"connect tcp 100.64.0.1:80: connection was refused", "connection reset by peer", "operation timed out", "no route to host",
		"tsnet: listener already open for tcp, :80", "invalid port", "missing port in address", "lookup peer: no such host",
	},
	func(t testing.TB, text string) {
		err := errors.New(text)
		for _, got := range []error{
			err, connectFailure(t.Context(), err), listenFailure(err), resolveFailure(t.Context(), text, err),
			resolveFailure(t.Context(), text, &net.DNSError{Err: text, Name: text, IsNotFound: len(text)%2 == 0}),
			logoutFailure(t.Context(), err), checkCertDomain(text, []string{text + "."}), startFailure(err), startFailure(&os.PathError{Op: "open", Path: text, Err: syscall.ENOSPC}),
		} {
			if f := failureOf(got); !slices.Contains(kinds, f.kind) || !strings.Contains(f.detail, text) {
				t.Errorf("%v of kind %q", f, f.kind)
			}
		}
	},
}

var framesOfTexts = property{
	"texts in frames", 50,
	[]string{"one line", "é\xff\x00", strings.Repeat("\x01", frameMax/4), strings.Repeat("é", textMax)},
	func(t testing.TB, text string) {
		fd, m, err := newMailbox(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b := box{openCaller(t, fd)}
		defer b.Close()
		b.SetReadDeadline(time.Now().Add(patience))
		go func() {
			defer m.close()
			m.send(logMessage{Type: "log", Text: clip(text)})
			m.sendError(fail(kindInternal, errors.New(text)))
		}()
		line, err := b.next()
		if err != nil {
			t.Fatalf("a line of %d bytes: %v", len(text), err)
		}
		last, err := b.next()
		if err != nil {
			t.Fatalf("an error of %d bytes: %v", len(text), err)
		}
		for _, got := range []string{line.text("text"), last.text("detail")} {
			whole := len(text) <= textMax && utf8.ValidString(text)
			if !utf8.ValidString(got) || len(got) > 3*textMax+3 || whole && got != text {
				t.Errorf("%d bytes came as %d", len(text), len(got))
			}
		}
	},
}
