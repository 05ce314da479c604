package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// api plays the vendor's API: it knows one client secret, and makes one key.
type api struct {
	*httptest.Server
	status  atomic.Int32 // of every answer, when not zero
	minted  atomic.Int32
	request atomic.Pointer[keyRequest]
}

type keyRequest struct {
	Capabilities struct {
		Devices struct {
			Create struct {
				Reusable, Ephemeral, Preauthorized bool
				Tags                               []string
			}
		}
	}
}

const (
	goodSecret = clientSecretPrefix + "id-good"
	mintedKey  = "tskey-auth-minted"
)

func newAPI(t *testing.T) *api {
	t.Helper()
	a := &api{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v2/oauth/token", func(w http.ResponseWriter, r *http.Request) {
		_, secret, _ := r.BasicAuth()
		if secret == "" {
			secret = r.FormValue("client_secret")
		}
		if secret != goodSecret {
			http.Error(w, `{"message":"no client `+secret+`"}`, http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"token","token_type":"Bearer","expires_in":3600}`)
	})
	mux.HandleFunc("POST /api/v2/tailnet/-/keys", func(w http.ResponseWriter, r *http.Request) {
		var asked keyRequest
		if r.Header.Get("Authorization") != "Bearer token" || json.NewDecoder(r.Body).Decode(&asked) != nil {
			http.Error(w, `{}`, http.StatusForbidden)
			return
		}
		a.request.Store(&asked)
		if slices.Contains(asked.Capabilities.Devices.Create.Tags, "tag:others") {
			http.Error(w, `{"message":"requested tags are not permitted"}`, http.StatusBadRequest)
			return
		}
		a.minted.Add(1)
		fmt.Fprintf(w, `{"id":"k","key":%q}`, mintedKey)
	})
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status := a.status.Load(); status != 0 {
			http.Error(w, "busy", int(status))
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *api) secret(text string) string { return text + "?baseURL=" + a.URL }

// withTags is a tailnet that gives nodes their tags. With a key it wants that one
// from every node at every start.
func withTags(t *testing.T, key string) *tailnet {
	tn := newTailnet(t)
	tn.control.RequireAuthKey = key
	tn.control.TagOwners = map[string][]string{"tag:server": nil}
	return tn
}

func (tn *tailnet) start(t *testing.T, config nodeConfig) (*box, *seamNode) {
	t.Helper()
	config.Hostname, config.ControlURL = "node", tn.url
	fd, n, err := startNode(config)
	if err != nil {
		t.Fatal(err)
	}
	sn := &seamNode{node: n}
	t.Cleanup(func() { sn.shut(t) })
	return openBox(t, fd), sn
}

func (tn *tailnet) hasTags(t *testing.T, want ...string) {
	t.Helper()
	nodes := tn.control.AllNodes()
	if len(nodes) != 1 || !slices.Equal(nodes[0].Tags, want) {
		t.Errorf("control has %d nodes, the first of %v", len(nodes), nodes)
	}
}

func TestAClientSecretLogsANodeInOnce(t *testing.T) {
	tn, a := withTags(t, ""), newAPI(t)
	config := nodeConfig{Dir: t.TempDir(), ClientSecret: a.secret(goodSecret), Tags: []string{"tag:server"}}
	start, n := tn.start(t, config)
	start.until(t, "running")
	n.shut(t)
	tn.hasTags(t, "tag:server")
	created := a.request.Load().Capabilities.Devices.Create
	if created.Reusable || created.Ephemeral || created.Preauthorized || !slices.Equal(created.Tags, config.Tags) {
		t.Errorf("asked for %+v", created)
	}
	// Another start has the state, and needs no API.
	a.status.Store(http.StatusServiceUnavailable)
	start, _ = tn.start(t, config)
	start.until(t, "running")
	if got := a.minted.Load(); got != 1 {
		t.Errorf("%d keys were made", got)
	}
}

func TestAClientSecretMayStandForTheAuthKey(t *testing.T) {
	tn, a := withTags(t, mintedKey), newAPI(t)
	key := a.secret(goodSecret) + "&ephemeral=true&preauthorized=true"
	start, _ := tn.start(t, nodeConfig{Dir: t.TempDir(), AuthKey: key, Tags: []string{"tag:server"}})
	start.until(t, "running")
	created := a.request.Load().Capabilities.Devices.Create
	if !created.Ephemeral || !created.Preauthorized {
		t.Errorf("asked for %+v", created)
	}
}

func TestTagsGoWithAnAuthKeyToo(t *testing.T) {
	tn := withTags(t, mintedKey)
	start, _ := tn.start(t, nodeConfig{Dir: t.TempDir(), AuthKey: mintedKey, Tags: []string{"tag:server"}})
	start.until(t, "running")
	tn.hasTags(t, "tag:server")
}

func TestARefusedClientSecretIsALoginRefused(t *testing.T) {
	a, tags := newAPI(t), []string{"tag:server"}
	for name, c := range map[string]struct {
		config nodeConfig
		detail string
	}{
		"wrong":         {nodeConfig{ClientSecret: a.secret(clientSecretPrefix + "id-wrong"), Tags: tags}, "401"},
		"others' tags":  {nodeConfig{ClientSecret: a.secret(goodSecret), Tags: []string{"tag:others"}}, "not permitted"},
		"without tags":  {nodeConfig{ClientSecret: a.secret(goodSecret)}, "tags"},
		"bad attribute": {nodeConfig{ClientSecret: goodSecret + "?color=red", Tags: tags}, "attributes"},
		"bad switch":    {nodeConfig{ClientSecret: goodSecret + "?ephemeral=perhaps", Tags: tags}, "ephemeral"},
		"no query":      {nodeConfig{AuthKey: goodSecret + "?%zz", Tags: tags}, "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			c.config.Dir, c.config.ControlURL, c.config.Hostname = t.TempDir(), "http://127.0.0.1:9", "n"
			fd, n, err := startNode(c.config)
			if err != nil {
				t.Fatal(err)
			}
			detail := openBox(t, fd).failure(t, kindLoginRefused)
			if !strings.Contains(detail, c.detail) || strings.Contains(detail, clientSecretPrefix) {
				t.Errorf("detail %q", detail)
			}
			(&seamNode{node: n}).shut(t)
		})
	}
}

func TestABusyAPIIsWaitedOut(t *testing.T) {
	tn, a := withTags(t, mintedKey), newAPI(t)
	a.status.Store(http.StatusServiceUnavailable)
	start, _ := tn.start(t, nodeConfig{Dir: t.TempDir(), ClientSecret: a.secret(goodSecret), Tags: []string{"tag:server"}})
	if waiting := start.until(t, "waiting"); !strings.Contains(waiting.text("detail"), "503") {
		t.Errorf("waiting for %s", waiting["detail"])
	}
	a.status.Store(0)
	start.until(t, "running")
}

func TestCloseDuringAnExchangeLeavesNothingBehind(t *testing.T) {
	asked, over := make(chan struct{}), make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(asked)
		<-over
	}))
	defer silent.Close()
	defer close(over)
	environment{}.apply()
	config := nodeConfig{
		Dir: t.TempDir(), Hostname: "n", ControlURL: "http://127.0.0.1:9",
		ClientSecret: goodSecret + "?baseURL=" + silent.URL, Tags: []string{"tag:server"},
	}
	fd, n, err := startNode(config)
	if err != nil {
		t.Fatal(err)
	}
	start := openBox(t, fd)
	select {
	case <-asked:
	case <-time.After(patience):
		t.Fatal("the API is not asked")
	}
	(&seamNode{node: n}).shut(t) // which fails when something is left behind
	start.failure(t, kindClosed)
	eventually(t, "no exchange is left", func() bool { return !stackHas("clientSecret.exchange(") })
}

var clientSecrets = property{
	"client secrets", 1,
	[]string{
		"tskey-client-a-b", "tskey-client-a?ephemeral=false&preauthorized=true", "tskey-client-a?baseURL=http://127.0.0.1:1/", "a?b=c",
		"tskey-client-a?ephemeral=", "tskey-client-a?;", "tskey-client-a?baseURL=%zz",
	},
	func(t testing.TB, text string) {
		secret, err := parseClientSecret(text, true)
		if err == nil {
			if secret.api == "" || strings.Contains(secret.secret, "?") {
				t.Errorf("%q is %+v", text, secret)
			}
		} else if f := failureOf(err); f.kind != kindLoginRefused {
			t.Errorf("%q is %v", text, f)
		}
	},
}
