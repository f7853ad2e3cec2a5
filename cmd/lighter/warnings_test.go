package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lighter/config"
	"lighter/config/alloy"
)

// TestWarnings: what both the loader and lint find is reported once.
func TestWarnings(t *testing.T) {
	const text = `prometheus.scrape "x" {
	targets    = []
	forward_to = [prometheus.remote_write.x.receiver]
}

prometheus.scrape "y" {
	targets    = [{__address__ = "a:1"}]
	forward_to = []
}

prometheus.remote_write "x" {
	endpoint {
		url = "http://prometheus/write"
	}
}
`
	f, err := alloy.Load("-", alloy.Options{
		ReadFile: func(string) ([]byte, error) { return []byte(text), nil },
		Agent:    config.Agent{Listen: "127.0.0.1:0", DataDir: "/data", BufferMax: 1 << 20},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range warnings(f) {
		got = append(got, strings.Split(d.Error(), ";")[0])
	}
	want := []string{
		"-:2:15: prometheus.scrape.x has no targets, and can never have any (no-targets)",
		"-:8:15: prometheus.scrape.y sends to nothing: the data that it collects is dropped (forward-nowhere)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}
