package main

// Who may join: the auth key, the policy about it, and logins by a person.

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"

	"tailscale.com/types/key"
)

// The policies, by the names that the admin interface takes.
const (
	keyRequired     = "required"
	keyOpen         = "open"
	keyLogin        = "login"
	keyOnce         = "once"
	keyExpired      = "expired"
	keySpent        = "spent"
	keyUnauthorized = "unauthorized"
)

var policies = []string{keyRequired, keyOpen, keyLogin, keyOnce, keyExpired, keySpent, keyUnauthorized}

// errUnauthorized is a refusal of which the node gets the HTTP status alone.
var errUnauthorized = errors.New("unauthorized")

// refusal is a refusal whose text the node is given.
type refusal string

func (r refusal) Error() string { return string(r) }

// keys decides who may join.
type keys struct {
	baseURL string // login URLs begin with it

	mu      sync.Mutex
	policy  string
	authKey string
	logins  map[string]*login // by the URL's path
}

// login is a login URL that was handed out.
type login struct {
	node key.NodePublic
	done chan struct{} // closed when a person has been there
}

func newKeys(baseURL, authKey string) *keys {
	return &keys{baseURL: baseURL, policy: keyRequired, authKey: authKey, logins: make(map[string]*login)}
}

// admit decides about a key that is no node's yet. Either the node may join (no
// URL, no error), or a person has to go to loginURL first, or it is refused.
func (k *keys) admit(node key.NodePublic, authKey string) (loginURL string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	right := authKey == k.authKey
	switch {
	case k.policy == keyOpen:
		return "", nil
	case k.policy == keyUnauthorized && !right:
		return "", errUnauthorized
	case authKey == "" && k.policy == keyLogin:
		return k.newLoginLocked(node), nil
	case authKey == "":
		return "", refusal("invalid key: an auth key is required")
	case !right:
		return "", refusal("invalid key: not known")
	case k.policy == keyExpired:
		return "", refusal("invalid key: expired")
	case k.policy == keySpent:
		return "", refusal("invalid key: already used")
	case k.policy == keyOnce:
		k.policy = keySpent
	}
	return "", nil
}

func (k *keys) newLoginLocked(node key.NodePublic) string {
	path := "/auth/" + strings.ToLower(rand.Text())
	k.logins[path] = &login{node: node, done: make(chan struct{})}
	return k.baseURL + path
}

// await returns when a person has completed the login that node waits for.
func (k *keys) await(ctx context.Context, loginURL string, node key.NodePublic) error {
	k.mu.Lock()
	l := k.logins[loginPath(loginURL)]
	k.mu.Unlock()
	if l == nil || l.node != node {
		return refusal("this login URL is not known")
	}
	select {
	case <-l.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// complete is what a person does at a login URL.
func (k *keys) complete(loginURL string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	l := k.logins[loginPath(loginURL)]
	if l == nil {
		return fmt.Errorf("no node waits at the login URL %q", loginURL)
	}
	select {
	case <-l.done:
		return fmt.Errorf("the login at %q is already complete", loginURL)
	default:
	}
	close(l.done)
	return nil
}

// set changes the policy and, when asked, the key itself; it returns the key.
func (k *keys) set(policy string, renew bool) (authKey string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if policy != "" {
		if !slices.Contains(policies, policy) {
			return "", fmt.Errorf("key=%q: one of %s", policy, strings.Join(policies, ", "))
		}
		k.policy = policy
	}
	if renew {
		k.authKey = newAuthKey()
	}
	return k.authKey, nil
}

func loginPath(loginURL string) string {
	u, err := url.Parse(loginURL)
	if err != nil {
		return ""
	}
	return u.Path
}
