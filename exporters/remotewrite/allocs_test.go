package remotewrite_test

import (
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"testing"

	"lighter/exporters/remotewrite"
)

// blockAllocs are the allocations of a block from Append to the response of a backend without allocations
// of its own: the request with its headers and context, its body, and the state shown. They do not grow
// with the number of samples.
const blockAllocs = 35

// answering responds to requests without a network.
type answering struct{ taken chan struct{} }

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, r.Body)
	a.taken <- struct{}{}
	return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody, Request: r}, nil
}

// TestAllocs limits the allocations of a block from Append to its delivery.
func TestAllocs(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for name, dir := range map[string]string{"memory": "", "disk": t.TempDir()} {
		for _, samples := range []int{100, 2000} {
			t.Run(fmt.Sprintf("%s/samples=%d", name, samples), func(t *testing.T) {
				cfg := remotewrite.DefaultConfig()
				cfg.Name, cfg.URL, cfg.Shards, cfg.SamplesPerSend = "cloud", "http://backend/", 1, samples
				cfg.Dir, cfg.MaxBytes = dir, 64<<20
				network := answering{make(chan struct{})}
				e := mustNewWith(t, cfg, network)
				stop := e.run(t)
				one := block(t, "a", samples, 1)
				send := func() {
					e.mustAppend(t, 7, one)
					<-network.taken
				}
				for range 10 {
					send()
				}
				if got := testing.AllocsPerRun(100, send); got > blockAllocs {
					t.Errorf("%v allocations for a block of %d samples, want at most %d", got, samples, blockAllocs)
				}
				stop()
			})
		}
	}
}
