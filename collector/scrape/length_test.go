package scrape

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"lighter"
)

type answering func() *http.Response

func (a answering) RoundTrip(*http.Request) (*http.Response, error) { return a(), nil }

// TestContentLength: a page whose length is told is read into memory that it just fits in, and
// a length that is a lie makes no memory be taken that a page may not have.
func TestContentLength(t *testing.T) {
	const size = 3 << 20
	for name, tc := range map[string]struct {
		said   int64
		limit  int64
		most   int // capacity, with what the allocator adds
		result string
	}{
		"true":                 {size, 64 << 20, size + 16<<10, resultOK},
		"not told":             {-1, 64 << 20, 2 * size, resultOK},
		"above the limit":      {1 << 40, 64 << 20, 2 * size, resultOK}, // what comes counts
		"absurd":               {1 << 40, 0, 0, resultTooLarge},
		"as large as it gets":  {1<<63 - 1, 0, 2 * size, resultOK},
		"less than what comes": {10, 64 << 20, 2 * size, resultOK},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := DefaultConfig()
			cfg.BodyLimit = tc.limit
			network := answering(func() *http.Response {
				return &http.Response{StatusCode: http.StatusOK, ContentLength: tc.said, Body: io.NopCloser(bytes.NewReader(make([]byte, size)))}
			})
			l, err := New(lighter.Target{Labels: labels.FromStrings("__address__", "api:3000")}, cfg, Options{
				Client: &http.Client{Transport: network}, Buffers: NewBuffers(),
				Metrics: NewMetrics(prometheus.NewRegistry()), Logger: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				t.Fatal(err)
			}
			p, err := l.fetch(t.Context())
			if got := resultOf(err); got != tc.result || err == nil && len(p.body) != size || cap(p.body) > tc.most {
				t.Errorf("%s (%v), %d bytes in %d, want %s in at most %d", got, err, len(p.body), cap(p.body), tc.result, tc.most)
			}
			l.Buffers.putPage(p)
		})
	}
}
