package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"tailscale.com/ipn"
)

// A client secret of OAuth is exchanged for an auth key at the vendor's API. tsnet
// does that too, but inside its Start: once, without a bound, even for a node that
// is logged in, and by default for an ephemeral key. This file does it before.

const (
	clientSecretPrefix = "tskey-client-"
	defaultAPI         = "https://api.tailscale.com"

	// exchangeLimit bounds one try, exchangeAnswer what is read of an answer.
	exchangeLimit  = 20 * time.Second
	exchangeAnswer = 1 << 20

	// The pauses between two tries.
	firstExchangePause = 500 * time.Millisecond
	lastExchangePause  = 15 * time.Second
)

// clientSecret is a secret with the attributes that may follow it:
// tskey-client-…?ephemeral=BOOL&preauthorized=BOOL&baseURL=URL.
type clientSecret struct {
	secret                   string
	api                      string
	ephemeral, preauthorized bool
}

func parseClientSecret(text string, ephemeral bool) (clientSecret, error) {
	secret, query, _ := strings.Cut(text, "?")
	parsed := clientSecret{secret: secret, api: defaultAPI, ephemeral: ephemeral}
	attributes, err := url.ParseQuery(query)
	if err != nil {
		return parsed, refusedSecret("what follows its ? cannot be read")
	}
	for name := range attributes {
		value := attributes.Get(name)
		switch name {
		case "ephemeral":
			parsed.ephemeral, err = strconv.ParseBool(value)
		case "preauthorized":
			parsed.preauthorized, err = strconv.ParseBool(value)
		case "baseURL":
			parsed.api = strings.TrimSuffix(cmp.Or(value, defaultAPI), "/")
		default:
			return parsed, refusedSecret("it may have the attributes ephemeral, preauthorized and baseURL only")
		}
		if err != nil {
			return parsed, refusedSecret("its attribute " + name + " is neither true nor false")
		}
	}
	return parsed, nil
}

func refusedSecret(why string) error {
	return &failure{kindLoginRefused, "the client secret cannot be used: " + why}
}

// loginKey returns the key that the node logs in with: the one it was given, or
// one that its client secret is exchanged for. A node that has been logged in
// needs none.
func (n *node) loginKey(config nodeConfig) (string, error) {
	text := cmp.Or(config.AuthKey, config.ClientSecret)
	if config.AuthKey != "" && !strings.HasPrefix(config.AuthKey, clientSecretPrefix) || text == "" {
		return text, nil
	}
	if hasLogin(config.Dir) {
		return "", nil
	}
	if len(config.Tags) == 0 {
		return "", refusedSecret("it needs tags")
	}
	secret, err := parseClientSecret(text, config.Ephemeral)
	if err != nil {
		return "", err
	}
	for pause := firstExchangePause; ; pause = min(2*pause, lastExchangePause) {
		key, err := secret.exchange(n.ctx, config.Tags)
		if err == nil {
			return key, nil
		}
		if n.ctx.Err() != nil {
			return "", &failure{kindClosed, "the node is closed"}
		}
		detail := "exchanging the client secret: " + strings.ReplaceAll(err.Error(), secret.secret, "REDACTED")
		if status := statusOf(err); finalStatus(status) {
			return "", &failure{kindLoginRefused, detail}
		}
		select {
		case n.waiting <- detail:
		default: // nobody listens, or not yet to the one before
		}
		select {
		case <-n.ctx.Done():
		case <-time.After(pause):
		}
	}
}

// exchange asks the API for a key that logs one node in with tags.
func (s clientSecret) exchange(ctx context.Context, tags []string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeLimit)
	defer cancel()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true
	ctx = context.WithValue(ctx, oauth2.HTTPClient, &http.Client{
		Transport: transport,
		// The secret goes to nobody but the API.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	})
	credentials := clientcredentials.Config{
		ClientID:     "tailport", // the secret names the client already
		ClientSecret: s.secret,
		TokenURL:     s.api + "/api/v2/oauth/token",
	}
	body, err := json.Marshal(map[string]any{"capabilities": map[string]any{"devices": map[string]any{"create": map[string]any{
		"reusable": false, "ephemeral": s.ephemeral, "preauthorized": s.preauthorized, "tags": tags,
	}}}})
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.api+"/api/v2/tailnet/-/keys", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := credentials.Client(ctx).Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, exchangeAnswer))
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", apiError{response.StatusCode, string(answer)}
	}
	var made struct {
		Key string `json:"key"`
	}
	if json.Unmarshal(answer, &made) != nil || made.Key == "" {
		return "", errors.New("the API answers without a key")
	}
	return made.Key, nil
}

// apiError is an answer of the API other than success.
type apiError struct {
	status int
	text   string
}

func (e apiError) Error() string {
	return fmt.Sprintf("the API answers %d: %s", e.status, clip(e.text))
}

// statusOf is the HTTP status in an error of an exchange; 0 when there is none.
func statusOf(err error) int {
	var api apiError
	var token *oauth2.RetrieveError
	switch {
	case errors.As(err, &api):
		return api.status
	case errors.As(err, &token) && token.Response != nil:
		return token.Response.StatusCode
	default:
		return 0
	}
}

// finalStatus reports whether an HTTP status is a server's last word. A 4xx is,
// but for 408 and 429; the others are waited out.
func finalStatus(status int) bool {
	return status >= 400 && status < 500 && status != http.StatusRequestTimeout && status != http.StatusTooManyRequests
}

// stateFile is where tsnet keeps a node's state.
const stateFile = "tailscaled.state"

// hasLogin reports whether a directory holds the state of a login. A state that
// cannot be read counts as one: the start then says what is wrong with it.
func hasLogin(dir string) bool {
	content, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	var state map[ipn.StateKey][]byte
	if json.Unmarshal(content, &state) != nil {
		return true
	}
	// After a logout the name of the profile is still there, but not the profile.
	profile := ipn.StateKey(state[ipn.CurrentProfileStateKey])
	return profile != "" && len(state[profile]) > 0
}
