package main

import (
	"math"
	"runtime/debug"
	"testing"
	"time"
)

// collectorPercent is what the garbage collector goes by; MaxUint64 while it rests.
func collectorPercent() uint64 { return runtimeMetrics("/gc/gogc:percent")[0] }

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

func TestTheCollectorGoesOnOnceTheNodeRuns(t *testing.T) {
	tn := newTailnet(t)
	eventually(t, "no start of another node is left", func() bool { return collectorPercent() != math.MaxUint64 })
	began := time.Now()
	tn.node(t, nodeConfig{})
	if time.Since(began) > collectorRest/2 {
		t.Skip("it goes on by itself about now")
	}
	eventually(t, "it goes on", func() bool { return collectorPercent() != math.MaxUint64 })
	if took := time.Since(began); took >= collectorRest {
		t.Errorf("it went on after %v, by itself", took)
	}
}
