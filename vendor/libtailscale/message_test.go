package main

import (
	"encoding/json"
	"math"
	"net/netip"
	"testing"
)

func TestMessagesThatWriteThemselvesAreAsJSONHasThem(t *testing.T) {
	four, six := netip.MustParseAddrPort("100.64.0.1:22"), netip.MustParseAddrPort("[fd7a:115c:a1e0::1]:65535")
	for _, message := range []writesItself{
		connectionMessage{"accepted", 1, four, six},
		connectionMessage{"dialed", math.MaxInt64, six, four},
		partedMessage{Type: "parted", ID: 7, Ended: cleanEnds{}},
		partedMessage{"parted", math.MaxInt64, cleanEnds{fromTailnet}, 104, 32, math.MaxUint64, 0},
		partedMessage{"parted", 1, cleanEnds{toTailnet, fromTailnet}, 0, 0, 1, math.MaxUint64},
	} {
		want, err := json.Marshal(message)
		if err != nil {
			t.Fatal(err)
		}
		got, err := encode(message)
		if err != nil || string(got) != string(want) {
			t.Errorf("%s, not %s: %v", got, want, err)
		}
		if len(got) > selfWritten {
			t.Errorf("%d bytes do not fit in %d", len(got), selfWritten)
		}
	}
}
