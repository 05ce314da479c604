package main

import "testing"

func TestOnlyAWayThatAnswersAndTimesOutStalls(t *testing.T) {
	for what, c := range map[string]struct {
		between sent
		stalls  bool
	}{
		"nothing is sent":                      {sent{}, false},
		"all is well":                          {sent{segments: 5000, answers: 4000}, false},
		"batches are lost":                     {sent{segments: 196, answers: 104, timeouts: 49}, true},
		"a peer has vanished":                  {sent{segments: 9, timeouts: 9}, false},
		"many peers of which one has vanished": {sent{segments: 3000, answers: 2500, timeouts: 9}, false},
		"a few are lost":                       {sent{segments: 40, answers: 30, timeouts: 5}, false},
	} {
		if got := c.between.stalls(); got != c.stalls {
			t.Errorf("%s: stalls is %v", what, got)
		}
	}
}
