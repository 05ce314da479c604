package main

import (
	"net/http/httptest"
	"slices"
	"testing"

	"tailscale.com/tailcfg"
)

func TestRecordsAreListedByNameAndBounded(t *testing.T) {
	r := new(records)
	for _, value := range []string{"one", "two"} {
		if err := r.set(&tailcfg.SetDNSRequest{Name: "_acme-challenge.a.test", Type: "TXT", Value: value}); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string][]string{"_acme-challenge.a.test": {"one", "two"}, "b.test": {}} {
		got, err := r.list(httptest.NewRequest("GET", "/txt?name="+name, nil))
		if err != nil || !slices.Equal(got.([]string), want) {
			t.Errorf("%s has %v, %v", name, got, err)
		}
	}
	for r.set(&tailcfg.SetDNSRequest{Name: "c.test", Value: "v"}) == nil {
	}
	if r.count != recordsMax {
		t.Errorf("%d records", r.count)
	}
}
