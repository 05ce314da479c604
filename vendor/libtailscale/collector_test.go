package main

import (
	"math"
	"runtime/debug"
	"runtime/metrics"
	"testing"
)

// collectorPercent is what the garbage collector goes by; MaxUint64 while it rests.
func collectorPercent() uint64 {
	sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

func TestTheCollectorRestsForStartsAndThenGoesOnAsBefore(t *testing.T) {
	eventually(t, "no start of another test is left", func() bool { return collectorPercent() != math.MaxUint64 })
	defer debug.SetGCPercent(debug.SetGCPercent(70))
	one, other := restCollector(), restCollector()
	one()
	one() // says nothing new
	if got := collectorPercent(); got != math.MaxUint64 {
		t.Errorf("with a start left it goes by %d %%", got)
	}
	other()
	if got := collectorPercent(); got != 70 {
		t.Errorf("after both starts it goes by %d %%", got)
	}
}

func TestTheCollectorDoesNotRestForLongWhateverTheStartWaitsFor(t *testing.T) {
	eventually(t, "no start of another test is left", func() bool { return collectorPercent() != math.MaxUint64 })
	fd, n, err := startNode(nodeConfig{Dir: t.TempDir(), Hostname: "n", ControlURL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	defer (&seamNode{node: n}).shut(t)
	defer openCaller(t, fd).Close()
	if got := collectorPercent(); got != math.MaxUint64 {
		t.Errorf("while a node starts it goes by %d %%", got)
	}
	eventually(t, "it goes on", func() bool { return collectorPercent() != math.MaxUint64 })
}
