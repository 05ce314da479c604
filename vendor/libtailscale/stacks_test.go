package main

import (
	"runtime"
	"runtime/metrics"
	"testing"
)

func TestGoroutinesBeginWithALargerStack(t *testing.T) {
	deepenStacks()
	runtime.GC()
	sample := []metrics.Sample{{Name: "/gc/stack/starting-size:bytes"}}
	metrics.Read(sample)
	if got := sample[0].Value.Uint64(); got < 8<<10 {
		t.Errorf("%d of them begin with %d bytes", runtime.NumGoroutine(), got)
	}
}
