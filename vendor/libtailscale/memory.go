package main

import "runtime/metrics"

// heldMemory is what Go's runtime holds of the system's memory, in bytes: all that
// it has mapped but what it has given back.
func heldMemory() uint64 {
	values := runtimeMetrics("/memory/classes/total:bytes", "/memory/classes/heap/released:bytes")
	return values[0] - values[1]
}

// runtimeMetrics reads numbers that Go's runtime keeps, all at one time; they are 0 when it
// does not have each of them. Reading stops nobody.
func runtimeMetrics(names ...string) []uint64 {
	samples := make([]metrics.Sample, len(names))
	for i, name := range names {
		samples[i].Name = name
	}
	metrics.Read(samples)
	values := make([]uint64, len(names))
	for i, sample := range samples {
		if sample.Value.Kind() != metrics.KindUint64 {
			return make([]uint64, len(names))
		}
		values[i] = sample.Value.Uint64()
	}
	return values
}
