package main

// Who is admitted, and what the others are told.

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"tailscale.com/ipn"
)

func TestAKeyThatIsNotAcceptedIsRefusedWithAReason(t *testing.T) {
	for _, c := range []struct{ policy, key, reason string }{
		{"required", "tskey-auth-wrong", "invalid key: not known"},
		{"required", "", "invalid key: an auth key is required"},
		{"login", "tskey-auth-wrong", "invalid key: not known"},
		{"expired", "right", "invalid key: expired"},
		{"spent", "right", "invalid key: already used"},
	} {
		t.Run(c.policy+" "+c.key, func(t *testing.T) {
			tn := startTailnet(t)
			order(t, tn, "/auth-key?key="+c.policy)
			s := newNode(t, tn, "box")
			if c.key != "right" {
				s.AuthKey = c.key
			}
			if err := s.Start(); err != nil {
				t.Fatal(err)
			}
			watchUntil(t, s, "the refusal", func(event ipn.Notify) bool {
				return event.ErrMessage != nil && strings.Contains(*event.ErrMessage, c.reason)
			})
			if lines := nodeLines(t, tn); len(lines) != 0 {
				t.Fatalf("refused, and yet nodes are %v", lines)
			}
		})
	}
}

func TestAnUnauthorizedNodeGetsNoText(t *testing.T) {
	tn := startTailnet(t)
	if _, err := tn.control.keys.set(keyUnauthorized, false); err != nil {
		t.Fatal(err)
	}
	node := nodeKey()
	if _, err := tn.control.keys.admit(node, "wrong"); err != errUnauthorized {
		t.Fatalf("refused with %v", err)
	}
	if _, err := tn.control.keys.admit(node, tn.madeUpKey); err != nil {
		t.Fatalf("the right key was refused: %v", err)
	}
}

func TestAKeyForOneNodeIsSpentByTheFirst(t *testing.T) {
	tn := startTailnet(t)
	order(t, tn, "/auth-key?key=once")
	upNode(t, tn, "first")
	if _, err := tn.control.keys.admit(nodeKey(), tn.madeUpKey); err == nil || !strings.Contains(err.Error(), "already used") {
		t.Fatalf("the second was answered %v", err)
	}
}

func TestARenewedKeyReplacesTheOldOne(t *testing.T) {
	tn := startTailnet(t)
	var renewed struct {
		AuthKey string `json:"auth_key"`
	}
	if err := json.Unmarshal([]byte(order(t, tn, "/auth-key?new=true")), &renewed); err != nil {
		t.Fatal(err)
	}
	if _, err := tn.control.keys.admit(nodeKey(), tn.madeUpKey); err == nil {
		t.Fatal("the old key is still good")
	}
	if _, err := tn.control.keys.admit(nodeKey(), renewed.AuthKey); err != nil {
		t.Fatal(err)
	}
}

func TestOpenNeedsNoKey(t *testing.T) {
	tn := startTailnet(t)
	order(t, tn, "/auth-key?key=open")
	s := newNode(t, tn, "box")
	s.AuthKey = ""
	up(t, s)
}

func TestANodeAtALoginURLRunsWhenAPersonHasBeenThere(t *testing.T) {
	tn := startTailnet(t)
	order(t, tn, "/auth-key?key=login")
	s := newNode(t, tn, "box")
	s.AuthKey = ""
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	var loginURL string
	watchUntil(t, s, "a login URL", func(event ipn.Notify) bool {
		if event.BrowseToURL != nil {
			loginURL = *event.BrowseToURL
		}
		return loginURL != ""
	})
	if !strings.HasPrefix(loginURL, tn.control.url+"/auth/") {
		t.Fatalf("the login URL is %q", loginURL)
	}
	if lines := nodeLines(t, tn); len(lines) != 0 {
		t.Fatalf("nobody has logged in, and yet nodes are %v", lines)
	}
	order(t, tn, "/complete-login?url="+url.QueryEscape(loginURL))
	watchUntil(t, s, "running", inState(ipn.Running))
}

func TestAnExpiredNodeJoinsAgainWithAKeyAndKeepsItsAddress(t *testing.T) {
	tn := startTailnet(t)
	s := upNode(t, tn, "box")
	before := nodeLines(t, tn)["box"]
	s.Close()
	order(t, tn, "/expire?node=box")

	again := newNode(t, tn, "box")
	again.Dir = s.Dir
	if err := again.Start(); err != nil {
		t.Fatal(err)
	}
	watchUntil(t, again, "running", inState(ipn.Running))
	lines := nodeLines(t, tn)
	after := lines["box"]
	if len(lines) != 1 || after.ID != before.ID || after.NodeKey == before.NodeKey || after.Expired {
		t.Fatalf("before %+v, after %v", before, lines)
	}
}
