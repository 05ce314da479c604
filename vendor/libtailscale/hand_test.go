package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

func TestAMessageThatIsNotTakenByHandGoesToTheMailbox(t *testing.T) {
	fd, m, err := newMailbox(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer m.close()
	b := openBox(t, fd)
	var offered [][]byte
	m.hand = func(payload []byte) bool {
		offered = append(offered, bytes.Clone(payload))
		return len(offered)%2 == 0
	}
	for _, text := range []string{"one", "two", "three", "four"} {
		if err := m.send(logMessage{Type: "log", Text: text}); err != nil {
			t.Fatal(err)
		}
	}
	var written []string
	for range 2 {
		written = append(written, b.until(t, "log").text("text"))
	}
	if want := []string{"one", "three"}; !slices.Equal(written, want) {
		t.Errorf("%q were written, not %q", written, want)
	}
	for i, want := range []string{"one", "two", "three", "four"} {
		var line logMessage
		if err := json.Unmarshal(offered[i], &line); err != nil || line.Text != want {
			t.Errorf("offered %s, not %q: %v", offered[i], want, err)
		}
	}
}

func TestOnlySoManyMessagesAreGivenAtOnce(t *testing.T) {
	const messages = 50
	var offered, now, most, given atomic.Int64
	enough := make(chan struct{})
	h := bounded(func([]byte) bool {
		n := now.Add(1)
		for before := most.Load(); n > before && !most.CompareAndSwap(before, n); before = most.Load() {
		}
		<-enough
		now.Add(-1)
		return true
	})
	var giving sync.WaitGroup
	for range messages {
		giving.Go(func() {
			offered.Add(1)
			if h(nil) {
				given.Add(1)
			}
		})
	}
	room := int64(cap(atHand))
	eventually(t, "as many as may are given", func() bool { return offered.Load() == messages && now.Load() >= room })
	close(enough)
	giving.Wait()
	if most.Load() != room || given.Load() != messages {
		t.Errorf("%d were given, %d at once, not %d", given.Load(), most.Load(), room)
	}
}

func TestADialsAnswerWaitsForItsTurn(t *testing.T) {
	n := newTailnet(t).node(t, nodeConfig{})
	for range cap(atHand) {
		atHand <- struct{}{}
	}
	d := n.dialTaking(true, "nobody.tailnet.test:80", patience)
	eventually(t, "the answer waits", func() bool { return stackHas("bounded.func") })
	given := len(d.answers)
	for range cap(atHand) {
		<-atHand
	}
	d.answer(t)
	if given > 0 {
		t.Error("an answer was given while as many were under way as may be")
	}
}
