package main

import (
	"context"
	"testing"
	"time"
)

func TestMemoryIsWorthGivingBackWhenMuchWasAllocatedAndNothingIsAnyMore(t *testing.T) {
	var r rest
	for _, look := range []struct {
		allocated uint64
		begins    bool
	}{
		{40 << 20, false}, // just now
		{40<<20 + restful, true},
		{40<<20 + 2*restful, false}, // too little since then
		{80 << 20, false},
		{80<<20 + restful + 1, false},
		{80<<20 + restful + 2, true},
		{80<<20 + restful + 3, false},
	} {
		if begins := r.begins(look.allocated); begins != look.begins {
			t.Errorf("at %d bytes: %v", look.allocated, begins)
		}
	}
}

func TestMemoryGoesBackAtRest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	const much = 64 << 20
	garbage := make([]byte, much)
	for i := range garbage {
		garbage[i] = 1
	}
	before := heldMemory()
	garbage = nil
	done := make(chan struct{})
	go func() {
		defer close(done)
		(&node{ctx: ctx}).giveMemoryBack(10 * time.Millisecond)
	}()
	eventually(t, "it is given back", func() bool { return heldMemory()+much/2 < before })
	cancel()
	<-done
}

func TestANodeLooksWhetherItIsAtRestUntilItCloses(t *testing.T) {
	looks := func() bool { return stackHas("(*node).giveMemoryBack(") }
	n := newTailnet(t).node(t, nodeConfig{})
	eventually(t, "it looks", looks)
	n.shut(t)
	eventually(t, "it looks no more", func() bool { return !looks() })
}
