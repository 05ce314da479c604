package main

import (
	"runtime"
	"testing"
)

func TestGoroutinesBeginWithALargerStack(t *testing.T) {
	deepenStacks()
	runtime.GC()
	if got := runtimeMetrics("/gc/stack/starting-size:bytes")[0]; got < 8<<10 {
		t.Errorf("%d of them begin with %d bytes", runtime.NumGoroutine(), got)
	}
}
