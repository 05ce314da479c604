package main

import (
	"sync/atomic"
	"testing"
	"time"
)

func TestALogoutGivesTheLoginUp(t *testing.T) {
	tn := newTailnet(t)
	config := nodeConfig{Dir: t.TempDir()}
	start, n := tn.start(t, config)
	start.until(t, "running")
	if !hasLogin(config.Dir) {
		t.Fatal("the state has no login")
	}
	watch := n.ask(t, n.watch)
	box := n.ask(t, n.logout)
	box.until(t, "logged_out")
	box.eof(t)
	for watch.until(t, "state").text("state") != "NeedsLogin" {
	}
	if hasLogin(config.Dir) {
		t.Error("the state still has a login")
	}
	for _, left := range tn.control.AllNodes() {
		if !left.KeyExpiry.Before(time.Now()) {
			t.Errorf("control still takes %s for logged in", left.Name)
		}
	}
	// Once more: there is nothing left to give up.
	n.ask(t, n.logout).until(t, "logged_out")
}

func TestALogoutThatIsNotHeardIsAnError(t *testing.T) {
	tn := newTailnet(t)
	var busy atomic.Bool
	tn.control.MaybeRateLimitRegister = func() (bool, string, string) { return busy.Load(), "", "busy" }
	config := nodeConfig{Dir: t.TempDir()}
	start, n := tn.start(t, config)
	start.until(t, "running")
	busy.Store(true)
	n.ask(t, n.logout).failure(t, kindUnreachable)
	if !hasLogin(config.Dir) {
		t.Error("the login is not kept for another try")
	}
	// The backend has dropped its key: the other try needs another start.
	n.shut(t)
	busy.Store(false)
	start, n = tn.start(t, config)
	start.until(t, "running")
	n.ask(t, n.logout).until(t, "logged_out")
}
