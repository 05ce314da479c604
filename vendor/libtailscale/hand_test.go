package main

import (
	"bytes"
	"encoding/json"
	"slices"
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
